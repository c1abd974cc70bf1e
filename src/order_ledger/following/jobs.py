"""Building the ranges of a schema, in this process or in several.

Which ranges are left stands in the schema itself. Whoever builds takes the next one that nobody has, and marks it as
done in the transaction that writes its rows: so a range is built once, whoever dies and whoever goes on.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.faults import Fault
from order_ledger.following import installing
from order_ledger.following.building import Builder, Cut
from order_ledger.following.collecting import without_collecting
from order_ledger.following.contract import Projection
from order_ledger.journal.codec import Codec
from order_ledger.journal.database_roles import as_role
from order_ledger.journal.migrations import inspect
from order_ledger.journal.names import EVENTS, UPCASTERS
from order_ledger.processes import exit_with_parent

_START = "fork" if sys.platform == "linux" else "spawn"
"""A fork spares every process the second that its imports take; elsewhere libraries do not survive it."""
_PAUSE_SECONDS = 0.1
_NEXT = "SELECT number, first, last FROM range WHERE NOT done ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED"
_PROGRESS = "SELECT count(*) FILTER (WHERE done), count(*) FROM range"


class Interrupted(Fault):
    """Building ended early; the ranges that are done stay. Rebuild again: it goes on."""


Told = Callable[[int, int], None]
"""Hears how many ranges are done, of how many."""


def build_ranges(url: str, projection: Projection, schema: str, cut: Cut, jobs: int, told: Told) -> None:
    """Builds all ranges that are left. With several jobs, to be called while no other thread runs: processes are
    forked. Raises `Interrupted` where one of them ends early."""
    if jobs == 1:
        for done, ranges in _build(url, projection, schema, cut):
            told(done, ranges)
        return
    starting: Any = multiprocessing.get_context(_START)
    pipes: list[Pipe] = []
    processes = []
    for number in range(1, jobs + 1):
        ours, theirs = starting.Pipe(duplex=False)
        process = starting.Process(
            target=_work, args=(theirs, url, projection, schema, cut, os.getpid()), name=f"rebuild {number}"
        )
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        while pipes:
            for pipe in wait(pipes):
                assert isinstance(pipe, Pipe), "only pipes are waited for"
                match _heard(pipe):
                    case (int(done), int(ranges)):
                        told(done, ranges)
                    case str() as why:
                        raise Interrupted(why)
                    case _:
                        pipes.remove(pipe)
    finally:
        for process in processes:
            if pipes:
                process.terminate()
            process.join()


def _heard(pipe: Pipe) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        return "A process of the rebuild ended early. Rebuild again: it goes on."


def _work(pipe: Pipe, url: str, projection: Projection, schema: str, cut: Cut, parent: int) -> None:
    """One process: says how far all of them are after each range of its own, and None when nothing is left."""
    # Ctrl-C goes to all processes of a terminal: the one that started this one hears it, and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    exit_with_parent(parent)
    try:
        for progress in _build(url, projection, schema, cut):
            pipe.send(progress)
        pipe.send(None)
    except (psycopg.Error, OSError) as error:
        why = str(error).strip().splitlines() or [type(error).__name__]
        pipe.send(f"{why[0]}. Rebuild again: it goes on.")


def _build(url: str, projection: Projection, schema: str, cut: Cut) -> Iterator[tuple[int, int]]:
    own = as_role(url, "order_ledger_follower")
    with (
        psycopg.connect(own, autocommit=True, application_name=f"order-ledger rebuild {projection.name}") as reading,
        psycopg.connect(own, autocommit=True, application_name=f"order-ledger rebuild {projection.name}") as writing,
    ):
        # A range and that it is done are lost together or not at all; who sets the bookmarks waits for all of them.
        writing.execute("SET synchronous_commit = off")
        installing.enter(writing, schema)
        builder = Builder(reading, writing, projection, Codec(inspect(reading), EVENTS, UPCASTERS), cut)
        while True:
            built = _build_next(writing, builder)
            done, ranges = _progress(writing)
            yield done, ranges
            if done == ranges:
                return
            if not built:
                time.sleep(_PAUSE_SECONDS)  # what is left is being built by others, or was until they died


def _build_next(writing: Connection[TupleRow], builder: Builder) -> bool:
    with writing.transaction(), without_collecting():
        row = writing.execute(_NEXT).fetchone()
        if row is None:
            return False
        number, first, last = row
        builder.build((first, last))
        writing.execute("UPDATE range SET done = true WHERE number = %s", (number,))
    return True


def _progress(writing: Connection[TupleRow]) -> tuple[int, int]:
    row = writing.execute(_PROGRESS).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
