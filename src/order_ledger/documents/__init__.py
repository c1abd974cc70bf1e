"""Documents: how they are numbered, and how they are rendered as JSON, PDF and EN 16931 XML."""
