"""The table of rights: who may ask what of which order."""

from collections.abc import Iterable
from uuid import UUID

from order_ledger.entries import By
from tests.examples import ADA, SELLER
from tests.orders.model.standing import Model

RIGHTS = """
confirm                     I sold   Y all
reject                      I sold
assign                      I sold
approve-concession          I sold
change-address              C own    S all
resolve-shortage            S all
resolve-problem             S all
resolve-return              S all
grant-refund                S all
start-production            M made
complete-step               M made
complete-inspection-item    M made
complete-production         M made
ship                        M made   W kept
correct-tracking            M sent   W sent   S all
record-progress             Y all    carrier all
check-tracking              Y all
expect-delay                Y all
allocate-stock              Y all
find-shortage               Y all
deliver                     C own    S all    Y all    carrier all
complete                    C own    Y all
cancel                      C own    I sold   S all
hold                        I sold   S all
release                     I sold   S all
revise-promise              M made   S all    Y all
accept-delay                C own
decline-delay               C own
report-problem              C own    M made   W kept   S all   Y all
record-payment              S all    Y all    payment_provider all
request-return              C own    S all
withdraw-return             C own    S all    Y all
ship-return                 C own    S all
approve-return              I sold   S all
reject-return               I sold   S all
receive-return              M made   W kept
add-note                    C own    I sold   M made   W kept   S all
receive-stock               W kept
adjust-stock                W kept
reserve                     Y all
release-stock               Y all
"""
ROLES = {
    "C": "consumer",
    "I": "ip_owner",
    "M": "manufacturer",
    "W": "warehouse",
    "S": "customer_service",
    "Y": "ledger",
}


def _cells() -> dict[str, dict[str, str]]:
    cells = {}
    for row in RIGHTS.strip().splitlines():
        command, *words = row.split()
        cells[command] = {ROLES.get(who, who): whose for who, whose in zip(words[::2], words[1::2], strict=True)}
    return cells


CELLS = _cells()


def may_ask(order: Model, command: str, by: By, lines: Iterable[int] = (), shipment: UUID | None = None) -> bool:
    """Whether the table of rights has a cell for this."""
    role, person = (str(by.role), by.person) if by.on_behalf_of is None else ("consumer", by.on_behalf_of)
    whose = CELLS[command].get(role)
    if by.on_behalf_of is not None and by.role != "customer_service":
        return False
    numbers = list(lines)
    named = [order.lines[number] for number in numbers if number in order.lines]
    match whose:
        case "own":
            return person == ADA
        case "sold":
            return by.organisation == SELLER.id
        case "made" | "kept":
            asked = named if numbers else list(order.goods.values())
            theirs = [line.maker if whose == "made" else line.keeper for line in asked]
            mine = [one is not None and one.id == by.organisation for one in theirs]
            return bool(mine) and all(mine) if numbers else any(mine)
        case "sent":
            known = [order.parcels[shipment]] if shipment in order.parcels else list(order.parcels.values())
            return any(parcel.sender is not None and parcel.sender == by.organisation for parcel in known)
        case _:
            return whose == "all"
