"""Replay, compare, verify: what an auditor asks of the journal."""
