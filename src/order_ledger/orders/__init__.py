"""The order stream: what may be asked of an order, what it makes of it, what happened, and what stands."""
