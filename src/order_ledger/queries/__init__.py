"""Questions to read models: one module for each, SELECT in, frozen values out."""
