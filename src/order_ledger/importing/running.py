"""An import from start to end: its orders shared among processes by their ids, each with a connection of its own."""

import gc
import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import psycopg
from msgspec import Struct

from order_ledger.importing.bulk import ORDERS_A_TRANSACTION, BulkWriter
from order_ledger.importing.history import Draft
from order_ledger.importing.olist import Files, drafts
from order_ledger.importing.reports import AGAIN, Breach, Interrupted, Report, Told
from order_ledger.importing.tables import BadSource, Failure
from order_ledger.journal.codec import Codec
from order_ledger.journal.keys import Keyring, check_master
from order_ledger.journal.migrations import inspect
from order_ledger.journal.names import EVENTS, UPCASTERS
from order_ledger.journal.sealing import CannotOpen, master_key
from order_ledger.processes import exit_with_parent

_START = "fork" if sys.platform == "linux" else "spawn"
"""A fork spares every process the second that its imports take; elsewhere libraries do not survive it. What it shares
of the parent's, such as the lease of an embedded server, it gives back at the latest when the parent ends."""


class Target(Struct, frozen=True):
    """The ledger to import into: its database, the folder with its master key, or that key itself."""

    url: str
    home: Path
    master_key: str | None = None


def import_files(
    files: Files,
    target: Target,
    *,
    jobs: int = 2,
    dry_run: bool = False,
    told: Told = lambda done, orders: None,
) -> Report:
    """Imports every order of the files; `told` hears how many are done, of how many, once the processes have started.

    To be called while no other thread runs: processes are forked.

    Raises `BadSource` where a file stops being readable, and `Interrupted`.
    """
    if jobs == 1:
        return _import_here(files, target, dry_run, told)
    return _import_in_processes(files, target, jobs, dry_run, told)


def _import_here(files: Files, target: Target, dry_run: bool, told: Told) -> Report:
    report, done = Report(), 0
    for orders, chunk in _parts(files, target, 0, 1, dry_run):
        report.add(chunk)
        done += chunk.orders + len(chunk.failed)
        told(min(done, orders), orders)
    return report.sorted()


def _import_in_processes(files: Files, target: Target, jobs: int, dry_run: bool, told: Told) -> Report:
    starting: Any = multiprocessing.get_context(_START)
    pipes: dict[Pipe, int] = {}
    processes = []
    for part in range(jobs):
        ours, theirs = starting.Pipe(duplex=False)
        process = starting.Process(
            target=_work, args=(theirs, files, target, part, jobs, dry_run, os.getpid()), name=f"import {part + 1}"
        )
        process.start()
        theirs.close()
        pipes[ours] = part
        processes.append(process)
    report, done, orders = Report(), 0, [0] * jobs
    try:
        while pipes:
            for pipe in wait(list(pipes)):
                assert isinstance(pipe, Pipe), "only pipes are waited for"
                said = _heard(pipe)
                match said:
                    case (int(count), Report() as chunk):
                        orders[pipes[pipe]] = count
                        report.add(chunk)
                        done += chunk.orders + len(chunk.failed)
                        told(min(done, sum(orders)), sum(orders))
                    case Failure() as failure:
                        raise BadSource(failure.file, failure.code, failure.what)
                    case str() as why:
                        raise Interrupted(why)
                    case _:
                        del pipes[pipe]
    finally:
        for process in processes:
            if pipes:
                process.terminate()
            process.join()
    return report.sorted()


def _heard(pipe: Pipe) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        return f"A process of the import ended early. {AGAIN}"


def _work(pipe: Pipe, files: Files, target: Target, part: int, parts: int, dry_run: bool, parent: int) -> None:
    """One process: says how far it is after every transaction, and None when it is done."""
    exit_with_parent(parent)
    try:
        for said in _parts(files, target, part, parts, dry_run):
            pipe.send(said)
        pipe.send(None)
    except BadSource as error:
        pipe.send(error.failure)
    except CannotOpen as error:
        pipe.send(str(error))
    except (psycopg.Error, OSError) as error:
        why = str(error).strip().splitlines() or [type(error).__name__]
        pipe.send(f"{why[0]}. {AGAIN}")
    except KeyboardInterrupt:
        pass  # the process that started this one says so


def _parts(files: Files, target: Target, part: int, parts: int, dry_run: bool) -> Iterator[tuple[int, Report]]:
    """Imports one part, and says after every transaction what it did, and how many orders the part has."""
    with (
        psycopg.connect(target.url, autocommit=True, application_name="order-ledger import") as connection,
        _rare_collections(),
    ):
        codec = Codec(inspect(connection), EVENTS, UPCASTERS)
        master = master_key(target.home, target.master_key)
        check_master(connection, master)
        writer = BulkWriter(connection, codec, Keyring(master), files.orders.file)
        orders, each = drafts(files, datetime.now(UTC), part, parts)
        chunk: list[Draft] = []
        failed: list[Failure] = []
        for draft in each:
            if isinstance(draft, Failure):
                failed.append(draft)
                continue
            chunk.append(draft)
            if len(chunk) == ORDERS_A_TRANSACTION:
                yield orders, _written(writer, chunk, failed, dry_run)
                chunk, failed = [], []
        yield orders, _written(writer, chunk, failed, dry_run)


def _written(writer: BulkWriter, chunk: list[Draft], failed: list[Failure], dry_run: bool) -> Report:
    recorded = writer.write(chunk, dry_run=dry_run)
    breaches = [Breach(str(draft.stream), draft.reference, code) for draft, code in recorded.breaches]
    orders = len(chunk) - len(recorded.failed)
    return Report(orders, recorded.events, recorded.unchanged, breaches, [*failed, *recorded.failed])


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Nothing that an import makes refers to itself, so that looking for such things is an eighth of its time."""
    usual = gc.get_threshold()
    gc.set_threshold(100_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
