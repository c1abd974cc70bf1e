"""What all reads from read models share: whose rows they show, and how fresh they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import InvalidSchemaName, UndefinedTable
from psycopg.rows import TupleRow
from starlette.requests import Request

from order_ledger.api.callers import Caller
from order_ledger.api.door import Door
from order_ledger.api.parameters import identifier, position
from order_ledger.following.lag import wait_for_async
from order_ledger.queries.order_status import Whose
from order_ledger.queries.pages import BadCursor
from order_ledger.refusals import Invalid, Unavailable, Violation

_WAIT_SECONDS = 5.0
NOBODY = UUID(int=(1 << 128) - 1)
"""Who has nothing: what is asked of others than one's own is answered as theirs."""


@asynccontextmanager
async def read_model(door: Door, request: Request, name: str) -> AsyncIterator[AsyncConnection[TupleRow]]:
    """A connection to ask the read model of this name on, once it has the position in `wait_for`.

    Raises `Unavailable` where it is not there or was not there in time, `Invalid` for a cursor that no list gave.
    """
    await caught_up(door, request, name)
    try:
        async with door.pool.connection() as connection:
            yield connection
    except BadCursor as error:
        raise Invalid(Violation("?cursor", "cursor", str(error))) from None
    except (UndefinedTable, InvalidSchemaName):
        raise Unavailable(f"The read model {name} is not there yet: run order-ledger follow {name}.") from None


async def caught_up(door: Door, request: Request, name: str) -> None:
    """Waits until the read model of this name has the position in `wait_for`, for five seconds at most.

    Raises `Unavailable` where it was not there in time, or where nobody follows.
    """
    wanted = position(request, "wait_for")
    if wanted is None:
        return
    try:
        async with door.pool.connection() as connection:
            waited = await wait_for_async(connection, name, wanted, _WAIT_SECONDS)
    except (UndefinedTable, InvalidSchemaName):
        waited = "nobody_follows"
    if waited != "reached":
        what = "is not there yet" if waited == "late" else f"is followed by no process: run order-ledger follow {name}"
        raise Unavailable(f"The read model {name} {what}.")


def whose_of(request: Request, calling: Caller, whose: str) -> Whose | None:
    """The party that the caller asks for, as far as the cell of their role reaches; None is everybody.

    Raises `Invalid` where they act for several organisations and name none.
    """
    if calling.on_behalf_of is not None:
        return Whose("consumer", calling.on_behalf_of)
    if whose == "own":
        return Whose("consumer", calling.person)
    if whose == "all":
        return None
    wanted = identifier(request, "organisation")
    if wanted is not None:
        own = wanted in calling.organisations or None in calling.organisations
        return Whose(calling.role, wanted if own else NOBODY)
    if None in calling.organisations:
        return None
    if len(calling.organisations) == 1:
        return Whose(calling.role, next(iter(filter(None, calling.organisations))))
    raise Invalid(Violation("?organisation", "missing", "You act for several organisations: say for which one."))
