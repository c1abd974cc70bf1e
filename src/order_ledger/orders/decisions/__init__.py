"""What a command makes happen to an order. Pure: no clock, no I/O.

Each part of an order's life has a module; each command has its guards, which say what stands in the way, and a leaf,
which says what happens. `decide` refuses where a guard objects; `record` notes the objections, and believes the
source all the same.
"""

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, assert_never, cast

from msgspec import Struct
from msgspec.structs import replace

from order_ledger.entries import By, Role
from order_ledger.orders.commands import (
    COMMANDS,
    AcceptDelay,
    AddNote,
    AllocateStock,
    ApproveConcession,
    ApproveReturn,
    Assign,
    Cancel,
    ChangeAddress,
    CheckTracking,
    Command,
    Complete,
    CompleteInspectionItem,
    CompleteProduction,
    CompleteStep,
    Confirm,
    CorrectTracking,
    DeclineDelay,
    Deliver,
    ExpectDelay,
    FindShortage,
    GrantRefund,
    Hold,
    IssueCreditNote,
    IssueInvoice,
    IssueReceipt,
    OrderCommand,
    Place,
    ReceiveReturn,
    RecordHistory,
    RecordNotification,
    RecordPayment,
    RecordProgress,
    Reject,
    RejectReturn,
    Release,
    ReportProblem,
    RequestReturn,
    ResolveProblem,
    ResolveReturn,
    ResolveShortage,
    RevisePromise,
    Ship,
    ShipReturn,
    StartProduction,
    WithdrawReturn,
)
from order_ledger.orders.decisions import (
    confirming,
    credit_notes,
    ending,
    invoices,
    money,
    notes,
    placing,
    problems,
    producing,
    promises,
    receipts,
    receiving,
    returns,
    shipping,
    stock,
)
from order_ledger.orders.decisions.credit_notes import credits_due
from order_ledger.orders.decisions.exchanges import exchange_order
from order_ledger.orders.decisions.invoices import invoice_due
from order_ledger.orders.decisions.placing import order_number
from order_ledger.orders.decisions.rules import Blockers, Context, Rules, about_anything, nothing
from order_ledger.orders.events import OrderEvent, RefundGranted
from order_ledger.orders.order import Order
from order_ledger.refusals import Blocker, NotFound, Refused
from order_ledger.rights.checks import commands_of

__all__ = [
    "AllowedCommand",
    "Context",
    "allowed_commands",
    "credits_due",
    "decide",
    "exchange_order",
    "invoice_due",
    "order_number",
    "record",
]


class AllowedCommand(Struct, frozen=True):
    """A command of a role, and what stands in its way before anything particular is asked."""

    name: str
    blocked_by: tuple[Blocker, ...]


def decide(order: Order | None, command: OrderCommand, context: Context) -> tuple[OrderEvent, ...]:
    """What happens, in order; nothing for a retry.

    Raises `Refused` with everything that stands in the way, and `NotFound` for an order that was never placed.
    """
    events, blockers = _decided(order, command, context, believing=False)
    if blockers:
        raise Refused(*blockers)
    return events


def record(
    order: Order | None, command: OrderCommand, context: Context
) -> tuple[tuple[OrderEvent, ...], tuple[str, ...]]:
    """What happened, as a source has it, and the codes of the rules that it broke. Refuses nothing.

    No refund follows by itself: a history grants none that its source does not know of.
    """
    events, blockers = _decided(order, command, context, believing=True)
    if RefundGranted in map(type, events) and type(command) is not GrantRefund:
        events = tuple(event for event in events if type(event) is not RefundGranted)
    return events, tuple(dict.fromkeys(blocker.code for blocker in blockers)) if blockers else ()


def allowed_commands(
    order: Order, by: By, context: Context, among: Collection[str] | None = None
) -> tuple[AllowedCommand, ...]:
    """Each command of the role that acts, and what stands in its way as far as that shows without a body.

    `among` leaves out what this person may not do with this order.
    """
    if by != context.by:
        context = replace(context, by=by)
    # Several commands are refused for the same, which is looked at once.
    seen: dict[Look, tuple[Blocker, ...]] = {}
    found = []
    for name, looks in _looks(context.role):
        if among is None or name in among:
            blockers: tuple[Blocker, ...] = ()
            for look in looks:
                objections = seen.get(look)
                if objections is None:
                    objections = seen[look] = tuple(look(order, context))
                blockers += tuple(each for each in objections if each not in blockers) if blockers else objections
            found.append(AllowedCommand(name, blockers))
    return tuple(found)


Look = Callable[[Order, Context], Blockers]


@lru_cache(None)
def _looks(role: Role) -> tuple[tuple[str, tuple[Look, ...]], ...]:
    """The commands of a role on an order that is there, with their guards that need no body."""
    commands = ((name, COMMANDS[name]) for name in commands_of(role))
    return tuple((name, _guards(_RULES[command])) for name, command in commands if command is not Place)


def _guards(rules: Rules[Any]) -> tuple[Look, ...]:
    return tuple(look for look in (rules.standing, rules.overview) if look is not nothing)


def _decided(
    order: Order | None, command: OrderCommand, context: Context, *, believing: bool
) -> tuple[tuple[OrderEvent, ...], tuple[Blocker, ...]]:
    # Exact types: asking a pydantic class about an instance of another takes longer than many a rule.
    if type(command) is Place or type(command) is RecordHistory:
        return _placed(order, command, context)
    if order is None:
        raise NotFound
    rules = _RULES[type(command)]
    if rules.repeated(order, command):
        return (), ()
    blockers = (
        *about_anything(command, context),
        *rules.standing(order, context),
        *rules.asked(order, command, context),
    )
    if blockers:
        blockers = tuple(dict.fromkeys(blockers))
        if not believing:
            return (), blockers
    return rules.events(order, command, context), blockers


def _placed(
    order: Order | None, command: Place | RecordHistory, context: Context
) -> tuple[tuple[OrderEvent, ...], tuple[Blocker, ...]]:
    if order is not None:
        return (), ()
    if isinstance(command, RecordHistory):
        return placing.record_history(command), tuple(placing.record_history_asked(command))
    blockers = (*about_anything(command, context), *placing.place_asked(command, context))
    if blockers:
        return (), blockers
    placed = placing.place(command, context)
    blockers = tuple(placing.total_asked(placed, command))
    return ((), blockers) if blockers else ((placed,), ())


def _rules(command: OrderCommand) -> Rules[Any]:
    match command:
        case Place() | RecordHistory():
            raise AssertionError("an order begins without rules of an order that is there")
        case Assign():
            return confirming.ASSIGN
        case Confirm():
            return confirming.CONFIRM
        case ChangeAddress():
            return confirming.CHANGE_ADDRESS
        case Reject():
            return ending.REJECT
        case Cancel():
            return ending.CANCEL
        case Hold():
            return ending.HOLD
        case Release():
            return ending.RELEASE
        case AllocateStock():
            return stock.ALLOCATE_STOCK
        case FindShortage():
            return stock.FIND_SHORTAGE
        case ResolveShortage():
            return stock.RESOLVE_SHORTAGE
        case StartProduction():
            return producing.START_PRODUCTION
        case CompleteStep():
            return producing.COMPLETE_STEP
        case CompleteInspectionItem():
            return producing.COMPLETE_INSPECTION_ITEM
        case ApproveConcession():
            return producing.APPROVE_CONCESSION
        case CompleteProduction():
            return producing.COMPLETE_PRODUCTION
        case Ship():
            return shipping.SHIP
        case CorrectTracking():
            return shipping.CORRECT_TRACKING
        case CheckTracking():
            return shipping.CHECK_TRACKING
        case RecordProgress():
            return shipping.RECORD_PROGRESS
        case Deliver():
            return shipping.DELIVER
        case Complete():
            return shipping.COMPLETE
        case ExpectDelay():
            return promises.EXPECT_DELAY
        case RevisePromise():
            return promises.REVISE_PROMISE
        case AcceptDelay():
            return promises.ACCEPT_DELAY
        case DeclineDelay():
            return promises.DECLINE_DELAY
        case ReportProblem():
            return problems.REPORT_PROBLEM
        case ResolveProblem():
            return problems.RESOLVE_PROBLEM
        case RecordPayment():
            return money.RECORD_PAYMENT
        case GrantRefund():
            return money.GRANT_REFUND
        case RequestReturn():
            return returns.REQUEST_RETURN
        case ApproveReturn():
            return returns.APPROVE_RETURN
        case RejectReturn():
            return returns.REJECT_RETURN
        case WithdrawReturn():
            return returns.WITHDRAW_RETURN
        case ShipReturn():
            return returns.SHIP_RETURN
        case ReceiveReturn():
            return receiving.RECEIVE_RETURN
        case ResolveReturn():
            return receiving.RESOLVE_RETURN
        case AddNote():
            return notes.ADD_NOTE
        case RecordNotification():
            return notes.RECORD_NOTIFICATION
        case IssueInvoice():
            return invoices.ISSUE_INVOICE
        case IssueCreditNote():
            return credit_notes.ISSUE_CREDIT_NOTE
        case IssueReceipt():
            return receipts.ISSUE_RECEIPT
        case _ as never:
            assert_never(never)


_RULES: dict[type[Command], Rules[Any]] = {
    command: _rules(cast(OrderCommand, command.model_construct()))
    for command in COMMANDS.values()
    if command is not Place
}
