"""`report documents`: every series without a gap, and every order's money and papers in agreement, or what is not."""

import time

import msgspec
import psycopg
import typer
from psycopg import Connection, IsolationLevel
from psycopg.rows import TupleRow

from order_ledger.audit.documents import Finding, Report, examine, read_orders
from order_ledger.cli.answers import AsFormat, AsJsonToo, answer_csv, answer_json, answer_rows, say
from order_ledger.cli.moments import AsOf, AsRecorded, AtPosition, moment_of
from order_ledger.journal.codec import Codec
from order_ledger.journal.migrations import inspect, migrate
from order_ledger.journal.names import EVENTS, UPCASTERS
from order_ledger.policies.engine import status
from order_ledger.postgres import server_for
from order_ledger.settings import Settings

POLICY = "issue_documents"
_FOUND = tuple(field.name for field in msgspec.structs.fields(Finding))
_LONGEST_WAIT_SECONDS = 600.0


def documents(
    as_of: AsOf = None,
    as_recorded: AsRecorded = None,
    position: AtPosition = None,
    form: AsFormat = "table",
    as_json: AsJsonToo = False,
) -> None:
    """Prove every series of documents, and reconcile payments, invoices, refunds and credit notes, order by order.

    From the journal itself, as it is now or as of a moment of the past: no read model is asked. Exits with 1 where
    anything does not hold.
    """
    moment = moment_of(as_of, as_recorded, position)
    with server_for(Settings()) as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            codec = Codec(inspect(connection), EVENTS, UPCASTERS)
            if moment is None:
                _await_policy(connection)
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            with connection.transaction():
                orders = read_orders(connection, codec)
                if moment is None:
                    report = examine(orders, _position(connection))
                else:
                    then = (entries for each in orders if (entries := moment.of(each)))
                    report = examine(then, min(moment.until, _position(connection)))
    if as_json or form == "json":
        answer_json({**msgspec.structs.asdict(report), "holds": report.holds})
    elif form == "csv":
        answer_csv(_FOUND, [msgspec.structs.astuple(each) for each in report.findings])
    else:
        _tables(report)
    if not report.holds:
        say(f"order-ledger: {len(report.findings)} things do not hold.")
        raise typer.Exit(1)


def _await_policy(connection: Connection[TupleRow]) -> None:
    """Where documents are being issued, waits until all are that the journal asks for now."""
    position, deadline = _position(connection), time.monotonic() + _LONGEST_WAIT_SECONDS
    while time.monotonic() < deadline:
        known = next((each for each in status.status(connection) if each.name == POLICY), None)
        if known is None or not known.running:
            say(f"nobody runs {POLICY}: what is owed and not issued yet is found missing")
            return
        if known.lag_events == 0 or known.position >= position:
            return
        time.sleep(0.1)


def _position(connection: Connection[TupleRow]) -> int:
    row = connection.execute("SELECT coalesce(max(notification_id), 0) FROM journal.entry").fetchone()
    assert row is not None
    return int(row[0])


def _tables(report: Report) -> None:
    answer_rows(
        ("series", "documents", "first", "last"),
        [(each.series, each.documents, each.first_on, each.last_on) for each in report.series],
        title=f"{report.documents} documents of {report.orders} orders, at position {report.position}",
    )
    if report.findings:
        answer_rows(_FOUND, [msgspec.structs.astuple(each) for each in report.findings], title="\nwhat does not hold")
