"""What went wrong with a parcel, and what was done about it."""

from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.correspondence import Problem
from order_ledger.orders.events import OrderEvent, ProblemReported, ProblemResolved
from order_ledger.orders.evolving.changes import Changes
from order_ledger.orders.evolving.parts import given_back, since_delivered, with_line, with_shipment
from order_ledger.orders.order import Order

__all__ = ["CHANGES"]


def _reported(order: Order, event: ProblemReported, entry: Entry[OrderEvent]) -> Order:
    problem = Problem(event.problem, event.kind, event.shipment, event.lines)
    return replace(order, problems={**order.problems, event.problem: problem})


def _resolved(order: Order, event: ProblemResolved, entry: Entry[OrderEvent]) -> Order:
    return since_delivered(_with_outcome(order, event, entry), entry)


def _with_outcome(order: Order, event: ProblemResolved, entry: Entry[OrderEvent]) -> Order:
    problem = order.problems.get(event.problem)
    if problem is None:
        return order
    problem = replace(problem, how=event.how, resolved=event.lines)
    order = replace(order, problems={**order.problems, event.problem: problem})
    shipment = order.shipments.get(problem.shipment) if problem.shipment is not None else None
    if shipment is None or event.how == "none":
        return order
    units, again = dict(shipment.units), dict(shipment.to_send_again)
    lines = order.units(event.lines)
    for named in lines:
        units[named.line] = units.get(named.line, 0) - named.quantity
        if event.how == "reship":
            again[named.line] = again.get(named.line, 0) + named.quantity
        if line := order.lines.get(named.line):
            arrived = line.arrived - named.quantity if shipment.delivered else line.arrived
            wanted = line.wanted - named.quantity if event.how == "refund" else line.wanted
            line = replace(line, taken_out=line.taken_out + named.quantity, arrived=arrived, wanted=wanted)
            order = with_line(order, line)
    order = with_shipment(order, replace(shipment, units=units, to_send_again=again))
    return given_back(order, lines, entry) if event.how == "refund" else order


CHANGES: Changes = {
    ProblemReported: _reported,
    ProblemResolved: _resolved,
}
