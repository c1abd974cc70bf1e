"""The append-only record: the only package that imports `eventsourcing`, and the only one that writes entries."""
