"""Histories in our own words, decided anew: one command on an order a line, each decided as if it were asked now.

    {"key": "a-1", "stream": "0198…", "command": "place", "at": "2026-11-21T20:15:03Z",
     "by": {"person": "0198…", "role": "consumer"}, "data": {…the body, as the API takes it…}}

`key` is what makes a line the same line again; without one, the line's own text does. `stream` is the order's id,
which only `place` may leave out: it then follows from the key. `at` is when it happened, now if left out, and the
decision is made as of then; a line that lies ahead is refused. `by` says who did it, in which role: the role must have
the command. Where the role names nobody (`ledger`, `unknown`), everything may be asked.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct
from pydantic import ValidationError

from order_ledger.entries import By, Cause, CommandRef, Entry, Fact, Kind
from order_ledger.importing.tables import Failure
from order_ledger.items import item
from order_ledger.items.item import Item, item_id
from order_ledger.journal.appending import Key
from order_ledger.journal.codec import Head
from order_ledger.journal.journal import Journal
from order_ledger.orders.commands import COMMANDS, Command, Place, ResolveReturn
from order_ledger.orders.decisions import Context, decide
from order_ledger.orders.evolving import fold
from order_ledger.orders.order import Order
from order_ledger.parties import organisation
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.refusals import Refusal, Refused
from order_ledger.rights.checks import whose
from order_ledger.values import unsealed

_NAMESPACE = UUID("c2b7f1f4-3d0e-5b68-8a51-4f5f6d1c9e07")
_NOBODY = frozenset(("ledger", "unknown"))
_MOST_TRIES = 10
_LONGEST_LINE = 64 * 1024


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """One line: a command, who gave it, and when."""

    command: str
    by: By
    key: str | None = None
    stream: UUID | None = None
    at: datetime | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


class Imported(Struct):
    """What an import of commands did; `unchanged` are lines that were there already, or changed nothing."""

    orders: int = 0
    events: int = 0
    unchanged: int = 0
    breaches: list[str] = []
    failed: list[Failure] = []


class _Bad(Exception):
    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code


def import_commands(journal: Journal, path: Path, *, dry_run: bool = False) -> Imported:
    """Takes the lines in one after the other; a line that is refused is listed, and the others go on.

    A dry run decides each line on what is in the journal, and so not on the lines before it.
    """
    return _Importer(journal, path.name, dry_run).run(path)


class _Importer:
    def __init__(self, journal: Journal, file: str, dry_run: bool) -> None:
        self._journal = journal
        self._file = file
        self._dry_run = dry_run

    def run(self, path: Path) -> Imported:
        done, orders = Imported(), set()
        for number, text in _lines(path):
            try:
                stream, events = self._one(text)
                orders.add(stream)
                done.events += events
                done.unchanged += events == 0
            except _Bad as bad:
                done.failed.append(Failure(self._file, number, bad.code, str(bad)))
            except Refused as refused:
                for blocker in refused.blocked_by:
                    done.failed.append(Failure(self._file, number, blocker.code, blocker.what))
            except Refusal as refusal:
                done.failed.append(Failure(self._file, number, refusal.code, str(refusal)))
        done.orders = len(orders)
        return done

    def _one(self, text: bytes) -> tuple[UUID, int]:
        """Decides and appends one line: its order, and how many events followed."""
        line = _parsed(text)
        command = _command(line)
        if line.by.role not in _NOBODY:
            whose(command.name, line.by)
        name = line.key or hashlib.sha256(text).hexdigest()
        stream = line.stream or uuid5(_NAMESPACE, name)
        identity = uuid5(stream, f"jsonl/{name}")
        body = hashlib.sha256(text).digest()
        for _ in range(_MOST_TRIES):
            order, head = self._order(stream)
            cause, facts = self._decided(order, stream, identity, line, command)
            if self._dry_run:
                return stream, len(facts)
            appending = self._journal.encode("order", stream, head, facts, cause)
            outcome = self._journal.append_one([appending], identity, Key(stream, f"jsonl/{name}", b"", body))
            match outcome.outcome:
                case "appended":
                    return stream, len(facts)
                case "remembered":
                    if outcome.body != body:
                        raise _Bad("key_reused", f"the key {name!r} was used before for another line")
                    return stream, 0
                case "stale":
                    continue
        raise _Bad("contended", "others kept appending to the same order; run the import again")

    def _decided(
        self, order: Order | None, stream: UUID, identity: UUID, line: Line, command: Any
    ) -> tuple[Cause, list[Fact]]:
        now = datetime.now(UTC)
        at = line.at.astimezone(UTC) if line.at is not None else now
        if at > now:
            raise _Bad("in_the_future", "What happened cannot have happened later than now.")
        seller = order.seller.id if order is not None else getattr(command, "seller", None)
        context = Context(
            now=at,
            by=line.by,
            command=identity,
            order_id=stream,
            listings=self._listings(seller, _skus(command)),
            seller=self._organisation(seller),
            organisations={
                each: known for each in _organisations(command) if (known := self._organisation(each)) is not None
            },
        )
        events = decide(order, command, context)
        consumer = order.consumer if order is not None else line.by.on_behalf_of or line.by.person
        reason = unsealed(command.reason, consumer) if command.reason and consumer is not None else None
        reason_code = getattr(command, "reason_code", None)
        cause = Cause(line.by, "import", CommandRef(identity, command.name), reason_code, reason)
        happened = getattr(command, "at", None) or at
        return cause, [Fact(event, happened) for event in events]

    def _order(self, stream: UUID) -> tuple[Order | None, Head]:
        found, head = self._journal.load(stream, "order")
        entries: list[Entry[Any]] = found
        return (fold(entries) if entries else None), head

    def _listings(self, seller: UUID | None, skus: Iterable[str]) -> dict[str, Item]:
        found: dict[str, Item] = {}
        for sku in set(skus) if seller is not None else ():
            assert seller is not None, "skus are a seller's"
            state = self._state("item", item_id(seller, sku), item.evolve)
            if state is not None:
                found[sku] = state
        return found

    def _organisation(self, stream: UUID | None) -> RegisteredOrganisation | None:
        known: RegisteredOrganisation | None = (
            self._state("organisation", stream, organisation.evolve) if stream is not None else None
        )
        return known

    def _state(self, kind: Kind, stream: UUID, evolve: Any) -> Any:
        state = None
        for entry in self._journal.load(stream, kind)[0]:
            state = evolve(state, entry)
        return state


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            if text.strip():
                yield number, text.strip()


def _parsed(text: bytes) -> Line:
    if len(text) > _LONGEST_LINE:
        raise _Bad("too_large", f"a line is at most {_LONGEST_LINE:,} bytes")
    try:
        line = msgspec.json.decode(text, type=Line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _Bad("bad_line", str(error)) from error
    if line.at is not None and line.at.tzinfo is None:
        raise _Bad("bad_line", "`at` needs its offset, such as 2026-11-21T20:15:03Z")
    return line


def _command(line: Line) -> Any:
    model: type[Command] | None = COMMANDS.get(line.command)
    if model is None:
        raise _Bad("unknown_command", f"there is no command {line.command!r} on an order")
    try:
        command = model.model_validate_json(bytes(line.data))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        wrong = "; ".join(f"/{'/'.join(map(str, each['loc']))}: {each['msg']}" for each in found)
        raise _Bad("invalid", wrong) from None
    if line.stream is None and not isinstance(command, Place):
        raise _Bad("no_stream", "`stream` says which order it is about")
    if isinstance(command, ResolveReturn) and any(each.how == "exchange" for each in command.lines):
        raise _Bad("not_here", "an exchange makes a second order: it is not imported, but resolved at the door")
    return command


def _skus(command: Any) -> list[str]:
    named = (*getattr(command, "outcomes", ()), *getattr(command, "exchange_for", ()))
    wanted = command.lines if isinstance(command, Place) else ()
    return [sku for each in (*named, *wanted) if (sku := getattr(each, "sku", None))]


def _organisations(command: Any) -> list[UUID]:
    given = (getattr(command, name, None) for name in ("manufacturer", "send_to"))
    return [getattr(each, "id", each) for each in given if each is not None]
