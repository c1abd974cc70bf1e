"""The door: HTTP, one module per thing spoken of."""
