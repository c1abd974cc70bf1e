"""Running projections: a projection is a fold, and everything else is a way of running it.

contract.py      what a projection says of itself
projections.py   which projections there are
installing.py    a projection's schemas, and which of them is read
live.py          following the feed, exactly once
keeping.py       following both copies of a version, where there are two
folding.py       one stream on its way through a batch
writing.py       loading and writing rows
integers.py      whole numbers on their way into a column
collecting.py    the garbage collector, out of the way while folding
parking.py       streams that a fold failed on, and putting them back
lag.py           how far each follower is, and waiting for it
rebuilding.py    a copy made anew from the first entry, and what takes its place
ranges.py        the streams, cut into ranges
building.py      folding a range straight through
jobs.py          ranges built by several processes
comparing.py     two copies, row by row
swapping.py      which of two copies is read
asking.py        as of a moment of the past
compact.py       a whole state in one column
"""

from order_ledger.following.contract import Folding, Projection, Row, Rows, Table

__all__ = ["Folding", "Projection", "Row", "Rows", "Table"]
