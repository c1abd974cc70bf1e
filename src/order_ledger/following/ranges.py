"""The streams of a journal, cut into ranges of about as many entries each.

Streams' ids are not spread evenly: most begin with the time at which they were made. So the cuts are quantiles, of a
sample where there are many. Where the cuts are changes how long a range takes, and nothing else.
"""

from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

_SAMPLED_ROWS = 20_000
_FIRST, _LAST = UUID(int=0), UUID(int=(1 << 128) - 1)

Range = tuple[UUID, UUID]
"""The streams from the one to the other, both included."""


def cut(connection: Connection[TupleRow], entries: int, ranges: int) -> list[Range]:
    """At most so many ranges, which together hold every stream there can be. `entries` is about how many there are."""
    share = min(100.0, 100.0 * _SAMPLED_ROWS / max(entries, 1))
    row = connection.execute(
        "SELECT percentile_disc(%s::float8[]) WITHIN GROUP (ORDER BY originator_id) "
        "FROM journal.entry TABLESAMPLE SYSTEM (%s)",
        ([number / ranges for number in range(1, ranges)], share),
    ).fetchone()
    firsts = sorted({_FIRST, *((row[0] or ()) if row is not None else ())} - {None})
    lasts = [UUID(int=first.int - 1) for first in firsts[1:]]
    return list(zip(firsts, [*lasts, _LAST], strict=True))
