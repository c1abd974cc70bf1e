"""Random programs of commands by random roles, on orders and their stock, in a real journal."""
