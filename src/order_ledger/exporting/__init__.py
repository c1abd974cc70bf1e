"""The ledger's own, given out: entries as they are."""
