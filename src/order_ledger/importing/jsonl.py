"""Taking in commands from a file: each is decided anew, as if it were asked now, and goes through the journal's writer.

Lines of one order are decided in their order, those of different orders beside each other, so that many go into the
journal together. An order that is placed here is history: the ledger issues no document for it and starts nothing by
itself.
"""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from order_ledger.entries import Cause, CommandRef, Event, Fact
from order_ledger.importing.command_lines import NOBODY, Asked, BadLine, asked_by, lines_of
from order_ledger.importing.reports import AGAIN, Interrupted, Report, Told
from order_ledger.importing.tables import Failure
from order_ledger.items.item import Item, item_id
from order_ledger.journal.appending import Key
from order_ledger.journal.evolves import EVOLVES
from order_ledger.journal.journal import Journal
from order_ledger.journal.pool import Pool
from order_ledger.journal.standings import Standing, Standings, Stream
from order_ledger.journal.writer import Decision, Writer
from order_ledger.orders.commands import Place
from order_ledger.orders.decisions import Context, decide
from order_ledger.orders.events import OrderPlaced
from order_ledger.orders.order import Order
from order_ledger.orders.scope import scope_of
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.refusals import Blocker, NotFound, Refusal, Refused, Unavailable
from order_ledger.rights.checks import may
from order_ledger.values import unsealed

_LINES_AT_ONCE = 500


def import_commands(
    journal: Journal, path: Path, *, dry_run: bool = False, told: Told = lambda done, of: None
) -> Report:
    """Takes the lines in; a line that is refused is listed, and the others go on. Raises `Interrupted`.

    A dry run decides each line on what is in the journal, and so not on the lines before it.
    """
    return asyncio.run(_take_in(journal, path, dry_run, told))


async def _take_in(journal: Journal, path: Path, dry_run: bool, told: Told) -> Report:
    async with Pool(journal.url) as pool:
        standings = Standings(pool, journal.codec, EVOLVES)
        async with Writer(journal.url, journal.codec, journal.keyring, pool, standings) as writer:
            try:
                return await _Import(writer, path, dry_run, told).run()
            except ExceptionGroup as group:
                if group.subgroup(Unavailable) is None:
                    raise
                raise Interrupted(f"The database went away. {AGAIN}") from group


class _Related(Struct, frozen=True):
    """What a decision may look at beside the order: what is listed, by SKU, and who sells and makes."""

    listings: dict[str, Item]
    organisations: dict[UUID, RegisteredOrganisation]


class _Import:
    """One file on its way in."""

    def __init__(self, writer: Writer, path: Path, dry_run: bool, told: Told) -> None:
        self._writer = writer
        self._standings = writer.standings
        self._path = path
        self._dry_run = dry_run
        self._told = told
        self._room = asyncio.Semaphore(_LINES_AT_ONCE)
        self._last: dict[UUID, asyncio.Task[None]] = {}
        self._orders: set[UUID] = set()
        self._report = Report()
        self._lines = self._done = 0

    async def run(self) -> Report:
        self._lines = sum(1 for _ in lines_of(self._path))
        async with asyncio.TaskGroup() as group:
            for number, text in lines_of(self._path):
                await self._room.acquire()
                try:
                    asked = asked_by(text)
                except (BadLine, Refusal) as error:
                    self._failed(number, error)
                    self._finished()
                else:
                    task = self._take(number, asked, self._last.get(asked.order))
                    self._last[asked.order] = group.create_task(task)
        self._report.orders = len(self._orders)
        self._report.failed.sort(key=lambda failure: failure.row or 0)
        return self._report

    async def _take(self, number: int, asked: Asked, before: asyncio.Task[None] | None) -> None:
        """One line, once the line before it on the same order is done."""
        if before is not None:
            await asyncio.wait((before,))
        try:
            events = await self._write(asked)
            self._orders.add(asked.order)
            self._report.events += events
            self._report.unchanged += events == 0
        except Unavailable:
            raise
        except Refusal as refusal:
            self._failed(number, refusal)
        finally:
            if self._last[asked.order] is asyncio.current_task():
                del self._last[asked.order]
            self._finished()

    async def _write(self, asked: Asked) -> int:
        """Decides one line and appends what follows; how many events that is."""
        stream = Stream("order", asked.order)
        standing = (await self._standings.known((stream,)))[stream.id]
        related = await self._related(standing.state, asked.command)

        def decided(standings: Mapping[UUID, Standing]) -> Decision:
            return _decided(standings[stream.id].state, asked, related)

        if self._dry_run:
            return len(decided({stream.id: standing}).facts[stream.id])
        key = Key(stream.id, f"jsonl/{asked.key}", b"", asked.digest)
        written = await self._writer.write(key, (stream,), decided)
        return len(written.entries) if written.outcome.outcome == "appended" else 0

    async def _related(self, order: Order | None, command: Any) -> _Related:
        seller = _seller(order, command)
        items = {sku: Stream("item", item_id(seller, sku)) for sku in _skus(command)} if seller is not None else {}
        organisations = [
            Stream("organisation", each) for each in {seller, *_organisations(command)} if each is not None
        ]
        found = await self._standings.glance([*items.values(), *organisations])
        return _Related(
            {sku: state for sku, each in items.items() if (state := found[each.id].state) is not None},
            {each.id: state for each in organisations if (state := found[each.id].state) is not None},
        )

    def _failed(self, number: int, error: BadLine | Refusal) -> None:
        found = error.blocked_by if isinstance(error, Refused) else ()
        told = [(blocker.code, blocker.what) for blocker in found] or [(error.code, str(error))]
        self._report.failed += [Failure(self._path.name, number, code, what) for code, what in told]

    def _finished(self) -> None:
        self._room.release()
        self._done += 1
        self._told(self._done, self._lines)


def _decided(order: Order | None, asked: Asked, related: _Related) -> Decision:
    command, seller = asked.command, _seller(order, asked.command)
    if order is not None and asked.by.role not in NOBODY:
        _check_whose(order, asked)
    identity = uuid5(asked.order, f"jsonl/{asked.key}")
    context = Context(
        now=asked.at,
        by=asked.by,
        command=identity,
        order_id=asked.order,
        listings=related.listings,
        seller=related.organisations.get(seller) if seller is not None else None,
        organisations=related.organisations,
    )
    events = decide(order, command, context)
    consumer = order.consumer if order is not None else asked.by.on_behalf_of or asked.by.person
    reason = unsealed(command.reason, consumer) if command.reason and consumer is not None else None
    reason_code = getattr(command, "reason_code", None)
    cause = Cause(asked.by, "import", CommandRef(identity, command.name), reason_code, reason)
    happened = getattr(command, "at", None) or asked.at
    return Decision({asked.order: [Fact(_as_history(event), happened) for event in events]}, cause)


def _check_whose(order: Order, asked: Asked) -> None:
    try:
        may(asked.command.name, asked.by, scope_of(order, asked.command))
    except NotFound:
        what = f"The {asked.by.role} that the line names has no part in this order, or not in the lines it is about."
        raise Refused(Blocker("not_theirs", what)) from None


def _as_history(event: Event) -> Event:
    return replace(event, history=True) if isinstance(event, OrderPlaced) else event


def _seller(order: Order | None, command: Any) -> UUID | None:
    return order.seller.id if order is not None else getattr(command, "seller", None)


def _skus(command: Any) -> Iterator[str]:
    named = (*getattr(command, "outcomes", ()), *getattr(command, "exchange_for", ()))
    wanted = command.lines if isinstance(command, Place) else ()
    return (sku for each in (*named, *wanted) if (sku := getattr(each, "sku", None)))


def _organisations(command: Any) -> Iterator[UUID]:
    given = (getattr(command, name, None) for name in ("manufacturer", "send_to"))
    return (getattr(each, "id", each) for each in given if each is not None)
