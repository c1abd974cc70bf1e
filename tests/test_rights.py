"""Every cell of who may do what, who may read what, and what of an order each role sees.

The tables below were written down apart from the code: the two have to agree cell by cell, and no cell may be left out.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, get_args
from uuid import UUID, uuid4

import pytest

from order_ledger.entries import By, Role
from order_ledger.items.commands import ITEM_COMMANDS
from order_ledger.orders import commands as orders
from order_ledger.parties.commands import ORGANISATION_COMMANDS, PERSON_COMMANDS
from order_ledger.refusals import NotAllowed, NotFound
from order_ledger.rights.checks import Scope, commands_of, may, may_read, reaching, sees, whose
from order_ledger.rights.tables import COMMANDS, PARTS, READS, Grant
from order_ledger.stock.commands import STOCK_COMMANDS

COMMAND_TABLE = """
command | C | I | M | W | S | Y | Adm
place | own | – | – | – | for | – | –
confirm | – | sold | – | – | – | from-stock, each line allocated or backordered, where the seller lets it | –
reject, assign, approve-concession | – | sold | – | – | – | – | –
change-address | own, placed | – | – | – | all, until shipped | – | –
resolve-shortage, resolve-problem, resolve-return, grant-refund | – | – | – | – | all | – | –
start-production, complete-step, complete-inspection-item, complete-production | – | – | made | – | – | – | –
ship | – | – | made | kept | – | – | –
correct-tracking | – | – | own shipments | own shipments | all | – | –
record-progress | – | – | – | – | – | yes, and carriers | –
check-tracking, expect-delay | – | – | – | – | – | yes | –
allocate-stock, find-shortage, issue-invoice, issue-credit-note, issue-receipt | – | – | – | – | – | yes | –
record-notification | – | – | – | – | – | yes | –
deliver | own | – | – | – | all | carrier | –
complete | own | – | – | – | – | timer | –
cancel | own, placed | sold, units not shipped | – | – | all, units not shipped | – | –
hold, release | – | sold | – | – | all | – | –
revise-promise | – | – | made | – | all | yes | –
accept-delay, decline-delay | own | – | – | – | – | – | –
report-problem | own | – | made | kept | all | yes | –
record-payment | – | – | – | – | all | provider's webhook | –
request-return, ship-return | own | – | – | – | all | – | –
withdraw-return | own | – | – | – | all | not sent in time | –
approve-return, reject-return | – | sold | – | – | all | – | –
receive-return | – | – | made | kept | – | – | –
add-note | own | sold | made | kept | all | – | –
item list, item delist, item change-price | – | sold | – | – | – | – | all
stock receive-stock, stock adjust-stock | – | – | – | kept | – | – | –
stock reserve, stock release, stock issue, stock restock | – | – | – | – | – | yes | –
organisation register-organisation, organisation change-organisation | – | – | – | – | – | – | all
person grant-role, person withdraw-role, person forget-person | – | – | – | – | – | – | all
ledger import, ledger swap, ledger retry | – | – | – | – | – | – | all
person register-person | oneself | oneself | oneself | oneself | oneself, for | – | all
person change-contact, person choose-preferences | oneself | oneself | oneself | oneself | oneself, for | – | all
"""

READ_TABLE = """
read | C | I | M | W | S | Aud | Ana | Adm | no login
order, list, timeline, stream, past_versions | own | sold | made | kept | all | all | all | – | –
tracking_page | – | – | – | – | – | – | – | – | state, promise, carrier, link
documents, payments | own | sold | – | – | all | all | totals | – | –
evidence | items shown | sold | made | – | all | all | – | – | –
stored_bytes, replay, diff, verify, export_entries | – | – | – | – | – | all | – | – | –
messages | own | – | – | – | all | all | counts | – | –
cases, queues | own | sold | made | kept | all | all | all | – | –
analytics | – | sold | made | kept | all | all | all | – | –
catalogue | all | sold | made | kept | all | all | all | all | –
stock_figures | – | sold | – | kept | all | all | all | all | –
export, compare | – | – | – | – | – | all | all, nothing sealed | – | –
rebuild | – | – | – | – | – | all | all, nothing sealed | all | –
organisations | names | own organisation | own organisation | own organisation | all | all | names | all | –
persons | oneself | oneself | oneself | oneself | contacts | all | – | all | –
metrics, readyz | – | – | – | – | – | all | all | all | –
healthz | – | – | – | – | – | – | – | – | all
"""

PART_TABLE = """
part | C | I | M | W | S | Aud | Ana
ship_to | yes | yes | from confirmed until delivered | from confirmed until delivered | yes | yes | country, region
bill_to | yes | yes | – | – | yes | yes | –
prices | yes | yes | – | – | yes | yes | amounts
results | shown items, last result | yes | yes | – | yes | yes | yes
reasons | those for everyone | yes | yes | yes | yes | yes | codes
who | role | role, organisation | role, organisation | role, organisation | name | id, name, role | role
"""

ROLES: dict[str, tuple[Role, ...]] = {
    "C": ("consumer",),
    "I": ("ip_owner",),
    "M": ("manufacturer",),
    "W": ("warehouse",),
    "S": ("customer_service",),
    "Y": ("ledger",),
    "Aud": ("auditor",),
    "Ana": ("analyst",),
    "Adm": ("administrator",),
}

CELLS: dict[str, tuple[str, str]] = {
    "own": ("own", ""),
    "own, placed": ("own", "placed"),
    "items shown": ("own", "shown"),
    "sold": ("sold", ""),
    "sold, units not shipped": ("sold", "not_shipped"),
    "made": ("made", ""),
    "kept": ("kept", ""),
    "own shipments": ("sent", ""),
    "own organisation": ("member", ""),
    "oneself": ("self", ""),
    "oneself, for": ("self", ""),
    "for": ("for", ""),
    "all": ("all", ""),
    "yes": ("all", ""),
    "yes, and carriers": ("all", ""),
    "all, until shipped": ("all", "until_shipped"),
    "all, units not shipped": ("all", "not_shipped"),
    "all, nothing sealed": ("all", "nothing_sealed"),
    "carrier": ("all", "carrier"),
    "timer": ("all", "timer"),
    "provider's webhook": ("all", "webhook"),
    "not sent in time": ("all", "not_sent_in_time"),
    "from-stock, each line allocated or backordered, where the seller lets it": ("all", "from_stock"),
    "state, promise, carrier, link": ("all", "tracking"),
    "totals": ("all", "totals"),
    "counts": ("all", "counts"),
    "names": ("all", "names"),
    "contacts": ("all", "contacts"),
}

VIEWS = {
    "yes": "yes",
    "from confirmed until delivered": "confirmed_until_delivered",
    "country, region": "country_and_region",
    "amounts": "amounts",
    "shown items, last result": "shown_and_last",
    "those for everyone": "for_everyone",
    "codes": "codes",
    "role": "role",
    "role, organisation": "role_and_organisation",
    "name": "name",
    "id, name, role": "id_name_and_role",
}

PERSON, ORGANISATION = UUID(int=1), UUID(int=2)


class Cell(NamedTuple):
    row: str
    role: str
    said: str


def cells(table: str) -> Iterator[Cell]:
    heading, *rows = ([cell.strip() for cell in line.split("|")] for line in table.strip().splitlines())
    for first, *said in rows:
        assert len(said) == len(heading) - 1, first
        for name in first.split(", "):
            for column, cell in zip(heading[1:], said, strict=True):
                for role in ROLES.get(column, ("nobody",)):
                    yield Cell(name, role, cell)
                # A carrier or a payment provider speaks to the ledger where the table says so, and nowhere else.
                if column == "Y":
                    yield Cell(name, "carrier", cell if cell in ("carrier", "yes, and carriers") else "–")
                    yield Cell(name, "payment_provider", cell if cell == "provider's webhook" else "–")


def key(name: str) -> tuple[str, str]:
    kind, _, command = name.rpartition(" ")
    return kind or "order", command


def by(role: str, **more: Any) -> By:
    return By(PERSON, role, ORGANISATION, **more)  # type: ignore[arg-type]


def mine(kind: str = "order") -> Scope:
    return Scope(
        kind=kind,  # type: ignore[arg-type]
        consumer=PERSON,
        seller=ORGANISATION,
        makers=frozenset({ORGANISATION}),
        keepers=frozenset({ORGANISATION}),
        senders=frozenset({ORGANISATION}),
        organisation=ORGANISATION,
        person=PERSON,
    )


# Each field of a scope that says whose something is, and a stranger's value in it.
STRANGERS: dict[str, dict[str, Any]] = {
    "own": {"consumer": uuid4()},
    "sold": {"seller": uuid4()},
    "made": {"makers": frozenset({uuid4(), None})},
    "kept": {"keepers": frozenset({uuid4(), None})},
    "sent": {"senders": frozenset({uuid4()})},
    "member": {"organisation": uuid4()},
    "self": {"person": uuid4()},
}


def scope(kind: str, **fields: Any) -> Scope:
    whole = mine(kind)
    return Scope(**{**{name: getattr(whole, name) for name in whole.__struct_fields__}, **fields})


def only_mine(kind: str, whose: str) -> Scope:
    """A scope where all but what this cell looks at is a stranger's."""
    strange = {field: value for cell, fields in STRANGERS.items() if cell != whose for field, value in fields.items()}
    return scope(kind, **strange)


@pytest.mark.parametrize("cell", list(cells(COMMAND_TABLE)), ids=str)
def test_every_command_for_every_role(cell: Cell) -> None:
    kind, command = key(cell.row)
    if cell.said == "–":
        with pytest.raises(NotAllowed):
            may(command, by(cell.role), mine(kind))
        return
    whose_it_is, only = CELLS[cell.said]
    grant = COMMANDS[kind, command][cell.role]  # type: ignore[index]
    assert (grant.whose, grant.only) == (whose_it_is, only)
    if whose_it_is == "for":
        with pytest.raises(NotAllowed):
            may(command, by(cell.role), mine(kind))
        return
    may(command, by(cell.role), only_mine(kind, whose_it_is))
    if whose_it_is != "all":
        with pytest.raises(NotFound):
            may(command, by(cell.role), scope(kind, **STRANGERS[whose_it_is]))


@pytest.mark.parametrize("cell", [cell for cell in cells(COMMAND_TABLE) if cell.role == "consumer"], ids=str)
def test_customer_service_for_a_consumer_has_the_consumers_cells_and_no_others(cell: Cell) -> None:
    kind, command = key(cell.row)
    consumer = uuid4()
    service = by("customer_service", on_behalf_of=consumer)
    theirs = scope(kind, consumer=consumer, person=consumer)
    if cell.said == "–":
        with pytest.raises(NotAllowed):
            may(command, service, theirs)
    else:
        may(command, service, theirs)
        with pytest.raises(NotFound):
            may(command, service, mine(kind))


@pytest.mark.parametrize("cell", list(cells(READ_TABLE)), ids=str)
def test_every_read_for_every_role(cell: Cell) -> None:
    read: Any = cell.row
    reader = None if cell.role == "nobody" else by(cell.role)
    if cell.said == "–":
        with pytest.raises(NotAllowed):
            may_read(read, reader, mine())
        return
    whose_it_is, only = CELLS[cell.said]
    granted = may_read(read, reader, only_mine("order", whose_it_is))
    assert (granted.whose, granted.only) == (whose_it_is, only)
    if whose_it_is != "all":
        with pytest.raises(NotFound):
            may_read(read, reader, scope("order", **STRANGERS[whose_it_is]))


@pytest.mark.parametrize("cell", list(cells(PART_TABLE)), ids=str)
def test_every_part_of_an_order_for_every_role(cell: Cell) -> None:
    part: Any = cell.row
    role: Any = cell.role
    assert sees(part, role) == (None if cell.said == "–" else VIEWS[cell.said])


def test_no_row_is_missing_on_either_side() -> None:
    assert {key(cell.row) for cell in cells(COMMAND_TABLE)} == set(COMMANDS)
    assert {cell.row for cell in cells(READ_TABLE)} == set(READS)
    assert {cell.row for cell in cells(PART_TABLE)} == set(PARTS)


@pytest.mark.parametrize("role", ["auditor", "analyst", "unknown"])
def test_roles_that_only_read_give_no_command(role: str) -> None:
    for kind, command in COMMANDS:
        with pytest.raises(NotAllowed):
            may(command, by(role), mine(kind))


@pytest.mark.parametrize("role", ["ledger", "carrier", "payment_provider", "unknown"])
def test_machines_read_nothing_through_the_door(role: str) -> None:
    for read in READS:
        with pytest.raises(NotAllowed):
            may_read(read, by(role), mine())
    for part in PARTS:
        assert sees(part, role) is None  # type: ignore[arg-type]


def test_every_command_there_is_has_a_row() -> None:
    by_kind: dict[str, Iterable[Any]] = {
        "order": orders.COMMANDS.values(),
        "item": ITEM_COMMANDS,
        "stock": STOCK_COMMANDS,
        "organisation": ORGANISATION_COMMANDS,
        "person": PERSON_COMMANDS,
    }
    for kind, commands in by_kind.items():
        assert {command.name for command in commands} == {name for about, name in COMMANDS if about == kind}


def test_what_is_not_listed_is_refused() -> None:
    for role in get_args(Role):
        with pytest.raises(NotAllowed):
            may("set-status", by(role), mine())


def test_a_refusal_names_the_persons_who_may() -> None:
    with pytest.raises(NotAllowed) as refused:
        may("confirm", by("consumer"), mine())
    assert refused.value.roles == ("ip_owner",)
    with pytest.raises(NotAllowed) as refused:
        may("expect-delay", by("customer_service"), mine())
    assert refused.value.roles == ()
    with pytest.raises(NotAllowed) as refused:
        may("place", by("customer_service"), mine())
    assert refused.value.roles == ("consumer",)


def test_nobody_but_customer_service_acts_for_another() -> None:
    for role in get_args(Role):
        if role != "customer_service":
            with pytest.raises(NotAllowed) as refused:
                may("place", by(role, on_behalf_of=PERSON), mine())
            assert refused.value.roles == ("customer_service",)


def test_lines_that_are_named_must_all_be_made_by_the_one_who_asks() -> None:
    both = frozenset({ORGANISATION, uuid4()})
    may("revise-promise", by("manufacturer"), scope("order", makers=both))
    with pytest.raises(NotFound):
        may("complete-step", by("manufacturer"), scope("order", makers=both, names_lines=True))
    with pytest.raises(NotFound):
        may("ship", by("warehouse"), scope("order", keepers=frozenset({ORGANISATION, None}), names_lines=True))
    may("ship", by("warehouse"), scope("order", makers=both, names_lines=True))


def test_a_role_without_an_organisation_owns_nothing_that_has_none() -> None:
    nowhere = By(PERSON, "manufacturer")
    for unassigned in (frozenset[UUID | None](), frozenset[UUID | None]({None})):
        with pytest.raises(NotFound):
            may("start-production", nowhere, Scope(makers=unassigned, names_lines=True))
    with pytest.raises(NotFound):
        may("confirm", By(PERSON, "ip_owner"), Scope())
    with pytest.raises(NotFound):
        may("accept-delay", By(None, "consumer"), Scope())


def test_the_name_of_a_command_means_one_thing_per_kind_of_stream() -> None:
    assert whose("release", by("customer_service")) == Grant("all")
    with pytest.raises(NotAllowed):
        whose("release", by("customer_service"), "stock")


def test_the_commands_of_a_role_in_the_order_of_the_table() -> None:
    assert commands_of("warehouse") == ("ship", "correct-tracking", "report-problem", "receive-return", "add-note")
    assert commands_of("administrator", "item") == ("list", "delist", "change-price")


@pytest.mark.parametrize("role", get_args(Role))
@pytest.mark.parametrize("whose_order", ["mine", "nobody's"])
def test_what_reaches_an_order_is_what_may_be_given_about_it(role: str, whose_order: str) -> None:
    this = mine() if whose_order == "mine" else Scope()

    def passes(command: str) -> bool:
        try:
            may(command, by(role), this)
        except (NotAllowed, NotFound):
            return False
        return True

    assert reaching(by(role), this) == {name for kind, name in COMMANDS if kind == "order" and passes(name)}
