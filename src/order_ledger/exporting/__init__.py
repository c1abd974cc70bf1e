"""The ledger's own, given out: entries as they are, tables for analysts, a log for those who look at processes."""
