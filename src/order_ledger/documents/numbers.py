"""Numbers of documents: `{seller code}-{INV, CRN or RCP}-{year}-{six digits}`, without a gap and in order of days.

A counter's row is locked in the transaction that appends the document, and written before it ends: what is rolled back
was never drawn. The row keeps the last day as well; a day never goes back, and the year follows from it.
"""

from collections.abc import Iterable
from datetime import date
from typing import Literal

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import TupleRow

DocumentKind = Literal["INV", "CRN", "RCP"]
"""Invoice, credit note, receipt."""

# A loose walk along the register: one step a heading, however many entries stand under it.
_SERIES = """
    WITH RECURSIVE walk (heading) AS (
        (SELECT heading FROM journal.register ORDER BY heading LIMIT 1)
        UNION ALL
        SELECT (SELECT r.heading FROM journal.register r WHERE r.heading > w.heading ORDER BY r.heading LIMIT 1)
        FROM walk w WHERE w.heading IS NOT NULL
    )
    SELECT w.heading, last.number, (convert_from(last.state, 'UTF8')::jsonb #>> '{data,issued_on}')::date
    FROM walk w CROSS JOIN LATERAL (
        SELECT r.number, r.state, r.name FROM journal.register r WHERE r.heading = w.heading
        ORDER BY r.number DESC LIMIT 1
    ) last
    WHERE last.name IN ('InvoiceIssued', 'CreditNoteIssued', 'ReceiptIssued') ORDER BY w.heading
"""
FIND = "SELECT state FROM journal.register WHERE heading = %s AND number = %s"
"""The entry of a document, by its series and sequence; the database holds that there is at most one."""


class Drawn(Struct, frozen=True):
    """A number to be used, and the day it is issued on."""

    number: str
    series: str
    sequence: int
    issued_on: date


class Counters:
    """The counters that a transaction may draw from, locked in one order until it ends."""

    def __init__(self, connection: Connection[TupleRow], wanted: Iterable[tuple[str, DocumentKind]]) -> None:
        self._connection = connection
        self._stand: dict[tuple[str, str], tuple[int, date | None]] = {}
        self._taken: set[tuple[str, str]] = set()
        keys = sorted(set(wanted))
        if not keys:
            return
        codes, kinds = [code for code, _ in keys], [kind for _, kind in keys]
        connection.execute(
            "INSERT INTO documents.counter (code, kind) SELECT * FROM unnest(%s::text[], %s::text[]) AS w (code, kind) "
            "ORDER BY code, kind ON CONFLICT DO NOTHING",
            (codes, kinds),
        )
        rows = connection.execute(
            "SELECT c.code, c.kind, c.sequence, c.last_on FROM documents.counter c "
            "JOIN unnest(%s::text[], %s::text[]) AS w (code, kind) USING (code, kind) "
            "ORDER BY c.code, c.kind FOR UPDATE OF c",
            (codes, kinds),
        )
        self._stand = {(code, kind): (sequence, last_on) for code, kind, sequence, last_on in rows}

    def next(self, code: str, kind: DocumentKind, today: date) -> Drawn:
        """What the next document of this kind would be. It is not drawn before it is taken."""
        sequence, last_on = self._stand[code, kind]
        issued_on = today if last_on is None else max(today, last_on)
        goes_on = last_on is not None and last_on.year == issued_on.year
        number = sequence + 1 if goes_on else 1
        series = f"{code}-{kind}-{issued_on.year}"
        return Drawn(f"{series}-{number:06}", series, number, issued_on)

    def take(self, code: str, kind: DocumentKind, drawn: Drawn) -> None:
        """This number is used."""
        self._stand[code, kind] = (drawn.sequence, drawn.issued_on)
        self._taken.add((code, kind))

    def write(self) -> None:
        """Writes what was taken."""
        for code, kind in sorted(self._taken):
            self._connection.execute(
                "UPDATE documents.counter SET sequence = %s, last_on = %s WHERE code = %s AND kind = %s",
                (*self._stand[code, kind], code, kind),
                prepare=True,
            )


def mend_counters(connection: Connection[TupleRow]) -> list[str]:
    """Sets counters that do not stand where the journal does, as after a restore; says which, one sentence each.

    The journal is right: a counter behind it would draw numbers twice (the database refuses them), one ahead of it
    would leave a gap.
    """
    said = []
    with connection.transaction():
        connection.execute("LOCK TABLE documents.counter IN SHARE ROW EXCLUSIVE MODE")
        right: dict[tuple[str, str], tuple[int, date]] = {}
        for series, sequence, last_on in connection.execute(_SERIES).fetchall():
            code, kind, _ = series.rsplit("-", 2)
            if (code, kind) not in right or right[code, kind][1] < last_on:
                right[code, kind] = (sequence, last_on)
        stand = {
            (code, kind): (sequence, last_on)
            for code, kind, sequence, last_on in connection.execute(
                "SELECT code, kind, sequence, last_on FROM documents.counter"
            ).fetchall()
        }
        for key in sorted(right.keys() | stand.keys()):
            was, shall = stand.get(key, (0, None)), right.get(key, (0, None))
            if was == shall:
                continue
            connection.execute(
                "INSERT INTO documents.counter (code, kind, sequence, last_on) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT (code, kind) DO UPDATE SET sequence = EXCLUDED.sequence, last_on = EXCLUDED.last_on",
                (*key, *shall),
            )
            said.append(
                f"the counter of {'-'.join(key)} stood at {was[0]} and the journal at {shall[0]}: it was set to that"
            )
    return said


def split_number(number: str) -> tuple[str, int] | None:
    """The series and the sequence that a number names; None for what is no number of a document."""
    series, _, digits = number.rpartition("-")
    if not series or len(number) > 64 or not digits.isascii() or not digits.isdigit() or not 6 <= len(digits) <= 9:
        return None
    return (series, int(digits)) if number == f"{series}-{int(digits):06}" else None
