"""Problems with a shipment or an order, and what is done about them."""

from order_ledger.orders.commands import ReportProblem, ResolveProblem
from order_ledger.orders.correspondence import Problem
from order_ledger.orders.decisions.rules import (
    ZERO,
    Blockers,
    Context,
    Rules,
    blocker,
    charges_left,
    grant,
    gross_of,
    rejected_or_cancelled,
    summed,
    too_many,
    unknown_line,
    unknown_shipment,
    without_charges,
    worth_given_back,
)
from order_ledger.orders.events import OrderEvent, ProblemReported, ProblemResolved
from order_ledger.orders.order import Order
from order_ledger.orders.shipments import Shipment
from order_ledger.values import Units

__all__ = ["REPORT_PROBLEM", "RESOLVE_PROBLEM"]

_ABOUT_THE_ORDER = ("cancel_wanted", "other")


# Reporting


def _report_asked(order: Order, command: ReportProblem, context: Context) -> Blockers:
    if command.shipment is None:
        if command.kind not in _ABOUT_THE_ORDER:
            yield blocker("shipment_required", "Say which shipment it is about.")
        yield from (unknown_line(units.line) for units in command.lines if units.line not in order.lines)
        return
    shipment = order.shipments.get(command.shipment)
    if shipment is None:
        yield unknown_shipment(command.shipment)
        return
    yield from _more_than_sent(order, shipment, command.lines)


def _more_than_sent(order: Order, shipment: Shipment, lines: tuple[Units, ...]) -> Blockers:
    return too_many(
        order,
        lines,
        lambda line: shipment.units.get(line.line, 0),
        "more_than_shipped",
        "That shipment holds {most} of line {line}, not {asked}.",
    )


def _report(order: Order, command: ReportProblem, context: Context) -> tuple[OrderEvent, ...]:
    return (
        ProblemReported(
            problem=max(order.problems, default=0) + 1,
            kind=command.kind,
            shipment=command.shipment,
            lines=command.lines,
            evidence=command.evidence,
        ),
    )


REPORT_PROBLEM = Rules[ReportProblem](
    events=_report,
    asked=_report_asked,
    repeated=lambda order, command: any(
        (known.kind, known.shipment, known.lines) == (command.kind, command.shipment, command.lines)
        for known in order.open_problems
    ),
)


# Resolving


def _some_problem(order: Order, context: Context) -> Blockers:
    if not order.open_problems:
        yield blocker("no_problem_open", "No problem is open.")


def _resolution_asked(order: Order, command: ResolveProblem, context: Context) -> Blockers:
    problem = order.problems.get(command.problem)
    if problem is None:
        yield blocker("unknown_problem", f"The order has no problem {command.problem}.")
        return
    if problem.how is not None:
        yield blocker("already_resolved", f"Problem {command.problem} was resolved: {problem.how}.")
    if command.how == "none":
        return
    shipment = order.shipments.get(problem.shipment) if problem.shipment is not None else None
    yield from rejected_or_cancelled(order)
    if shipment is None or shipment.rma is not None:
        yield blocker("no_shipment", "Only units of a shipment can be sent again or refunded.")
        return
    units = _units(problem, shipment, command)
    if not units:
        yield blocker("no_units", "Of that shipment nothing is left to send again or to refund.")
    yield from _more_than_sent(order, shipment, units)
    for number, quantity in summed(units).items():
        line = order.lines.get(number)
        returning = order.in_returns(number)
        if line is not None and returning and shipment.delivered and quantity > line.arrived - returning:
            what = f"Units of line {number} are in a return: settle them there."
            yield blocker("in_return", what, "customer_service", line=number)
    if command.how == "reship" and order.state == "completed":
        yield blocker("completed", "The order is complete: refund, or exchange.")


def _units(problem: Problem, shipment: Shipment, command: ResolveProblem) -> tuple[Units, ...]:
    """The units meant: those named, else those reported, else all that the shipment still counts for."""
    if command.how == "none":
        return ()
    if command.lines or problem.lines:
        return command.lines or problem.lines
    return tuple(Units(line, quantity) for line, quantity in shipment.units.items() if quantity > 0)


def _resolve(order: Order, command: ResolveProblem, context: Context) -> tuple[OrderEvent, ...]:
    problem = order.problems.get(command.problem)
    shipment = order.shipments.get(problem.shipment) if problem is not None and problem.shipment is not None else None
    if problem is None or shipment is None:
        return (ProblemResolved(command.problem, command.how, ()),)
    lines = _units(problem, shipment, command)
    resolved = ProblemResolved(command.problem, command.how, lines)
    if command.how != "refund":
        return (resolved,)
    gone = summed(lines)
    # With the last of the goods the charges go, too: what was to be brought was not.
    is_last = all(line.wanted <= gone.get(line.line, 0) for line in order.open_lines)
    charges = charges_left(order) if is_last else {}
    worth = worth_given_back(order, {**gone, **charges})
    costs = max(order.total.amount - gross_of(worth), ZERO)
    due = min(order.due_back(costs), gross_of(worth))
    granted = grant(order, "problem", str(command.problem), worth, due)
    return (resolved, *(granted or without_charges(order, gone, charges)))


def _already_resolved(order: Order, command: ResolveProblem) -> bool:
    problem = order.problems.get(command.problem)
    if problem is None or problem.how != command.how:
        return False
    return not command.lines or command.lines == problem.resolved


RESOLVE_PROBLEM = Rules[ResolveProblem](
    events=_resolve, asked=_resolution_asked, overview=_some_problem, repeated=_already_resolved
)
