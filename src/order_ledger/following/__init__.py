"""Running projections: a projection is a fold, and everything else is a way of running it.

contract.py      what a projection says of itself
projections.py   which projections there are
installing.py    a projection's schema, and which of its versions is read
live.py          following the feed, exactly once
folding.py       one stream on its way through a batch
writing.py       loading and writing rows
parking.py       streams that a fold failed on, and putting them back
lag.py           how far each follower is, and waiting for it
compact.py       a whole state in one column
"""

from order_ledger.following.contract import Folding, Projection, Row, Rows, Table

__all__ = ["Folding", "Projection", "Row", "Rows", "Table"]
