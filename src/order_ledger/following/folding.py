"""One stream on its way through a batch. Pure: no clock, no I/O."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct

from order_ledger.following.contract import Folding, Row, Rows
from order_ledger.journal.codec import Codec
from order_ledger.journal.feed import FeedRow


class Kept(NamedTuple):
    """What a stream came to, kept in memory from one batch to the next: its state, and the rows it is written as."""

    state: Any
    rows: Rows


class FoldedStream(Struct):
    """The rows that a stream has, the entries that come, and the rows that they make of it.

    `state` is what those rows say; where it is None and there are rows, they are asked. `failed_at` is the entry that
    could not be folded, and `error` why.
    """

    stream: UUID
    folding: Folding[Any]
    entries: Sequence[FeedRow]
    before: Mapping[str, Sequence[Row]]
    state: Any = None
    after: Rows | None = None
    failed_at: FeedRow | None = None
    error: str = ""

    def fail(self, entry: FeedRow, error: Exception) -> None:
        """Remember where the fold failed, and why."""
        self.failed_at = entry
        self.error = f"{type(error).__name__}: {error}".replace("\0", "").strip()[:2000]


def fold_stream(stream: FoldedStream, codec: Codec) -> None:
    """Sets the rows that the stream gets; where an entry fails, those from before it, and that it failed.

    Whatever a fold raises concerns this stream alone, so nothing is let through.
    """
    folding, entry, state = stream.folding, stream.entries[0], stream.state
    try:
        if state is None and stream.before:
            state = folding.state(stream.before)
    except Exception as error:
        stream.fail(entry, error)
        return
    folded = False
    for entry in stream.entries:
        try:
            state = folding.fold(state, codec.decode(entry.state))
            folded = True
        except Exception as error:
            stream.fail(entry, error)
            break
    if not folded:
        return
    try:
        stream.state, stream.after = state, folding.rows(state)
    except Exception as error:
        stream.fail(stream.entries[0], error)
