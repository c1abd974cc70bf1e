"""A follower that is killed, as by `kill -9`, at one point of its second batch: `python -m tests.following.dying`."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.journal import feed

BATCH = 50
POINTS = ("after reading", "amidst the batch", "before committing", "after committing")


def die() -> None:
    """Nothing is given back, and nothing is said."""
    os.kill(os.getpid(), signal.SIGKILL)


def dying(function: Callable[..., Any], calls: int) -> Callable[..., Any]:
    """The same function, which ends the process when it has been called so often."""
    called = 0

    def call(*given: Any) -> Any:
        nonlocal called
        called += 1
        answer = function(*given)
        if called == calls:
            die()
        return answer

    return call


def main(url: str, name: str, point: str) -> None:
    live: Any = sys.modules[Follower.__module__]
    follower: Any = Follower(url, find(name), batch=BATCH)
    with follower.connect() as connection:
        follower.prepare(connection)
        follower.advance(connection)
        match point:
            case "after reading":
                feed.scan = dying(feed.scan, 1)
            case "amidst the batch":
                live.fold_stream = dying(live.fold_stream, 3)
            case "before committing":
                follower._fold_batch = dying(follower._fold_batch, 1)
            case "after committing":
                follower.advance = dying(follower.advance, 1)
            case _:
                raise SystemExit(f"{point} is none of {', '.join(POINTS)}")
        follower.advance(connection)


if __name__ == "__main__":
    main(*sys.argv[1:])
