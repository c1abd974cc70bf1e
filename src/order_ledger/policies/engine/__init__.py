"""Running a policy: it reads the feed once, answers with commands, and keeps what it was refused as cases."""
