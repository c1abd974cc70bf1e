"""How our own server is set."""

from pathlib import Path

# A socket is a file, so the port is only a part of its name: a server of another ledger cannot be in the way.
PORT = 5432


def configuration(socket_folder: Path) -> str:
    """Write what differs from PostgreSQL's defaults, and why."""
    folder = str(socket_folder).replace('"', '""').replace("\\", "\\\\").replace("'", "''")
    return f"""# Written by the ledger at every start.

# The only way in is a socket in a folder that only the server's own user may enter.
listen_addresses = ''
port = {PORT}
unix_socket_directories = '"{folder}"'
unix_socket_permissions = 0700
# The door's pool, each projection, policy and report are a few connections each, and a rebuild takes one per job.
max_connections = 200

# What was confirmed stays: a power cut must lose no order.
fsync = on
full_page_writes = on
synchronous_commit = on

# Enough for the indexes that every command touches, and little enough for a laptop.
shared_buffers = 256MB
# An import writes much in a short time; checkpoints far apart write each page less often.
max_wal_size = 2GB
min_wal_size = 256MB
checkpoint_timeout = 15min
# After a checkpoint the log takes whole pages; the one compression of this build takes longer than writing them.
wal_compression = off
# Disks have no arm to move any more.
random_page_cost = 1.1
# Our statements are short: compiling one takes longer than running it.
jit = off

timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%a: '
# Everything is well most of the time, and this log is read when it is not.
log_checkpoints = off
"""
