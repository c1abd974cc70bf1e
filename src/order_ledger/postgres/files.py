"""Files and folders with exact rights, that outlive a power cut."""

import hashlib
import os
from pathlib import Path

from order_ledger.postgres.errors import HomeUnusable

# Where a server that may not enter the home lives instead, and where programs are copied that it may not read.
REACHABLE = Path("/var/lib/order-ledger")


def open_lock(path: Path) -> int:
    """A file to lock, made where it is not there, open until it is closed; raises `HomeUnusable`."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise HomeUnusable(path.parent, error.strerror or str(error)) from error


def make_folder(folder: Path, *, mode: int) -> None:
    """Make a folder with exactly these rights, whatever the umask; one that is there stays as it is."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    folder.chmod(mode)


def write(path: Path, text: str, *, mode: int) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    with open(unfinished, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    unfinished.replace(path)
    flush(path.parent)


def flush(folder: Path) -> None:
    """Make new names in a folder outlive a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def digest(path: Path) -> str:
    """A short name for a folder."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
