"""Waiting for what other processes and threads do."""

import time
from collections.abc import Callable


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until it holds, and fails where it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.02)
