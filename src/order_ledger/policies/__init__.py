"""What the ledger does by itself: one module per policy, and in `engine` what runs them."""
