"""How lines are made: runs, their steps, and what was inspected."""

from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.events import (
    ConcessionApproved,
    InspectionItemCompleted,
    OrderEvent,
    ProductionCompleted,
    ProductionStarted,
    ProductionStepCompleted,
)
from order_ledger.orders.evolving.changes import Changes
from order_ledger.orders.evolving.parts import with_line
from order_ledger.orders.lines import Check, Run
from order_ledger.orders.order import Order

__all__ = ["CHANGES"]


def _started(order: Order, event: ProductionStarted, entry: Entry[OrderEvent]) -> Order:
    line = order.lines.get(event.line)
    return with_line(order, replace(line, runs=(*line.runs, Run(event.run, event.quantity)))) if line else order


def _step_completed(order: Order, event: ProductionStepCompleted, entry: Entry[OrderEvent]) -> Order:
    line = order.lines.get(event.line)
    if line is None:
        return order
    steps = [step.step for step in line.ordered.steps]
    place = steps.index(event.step) if event.step in steps else len(steps)
    again = {item.item for item in line.ordered.plan if item.after_step in steps[place:]}

    def done(run: Run) -> Run:
        checks = {
            item: replace(check, state="pending") if item in again else check for item, check in run.checks.items()
        }
        return replace(run, steps={**run.steps, event.step: event.attempt}, checks=checks)

    return with_line(order, replace(line, runs=tuple(done(run) if run.run == event.run else run for run in line.runs)))


def _inspected(order: Order, event: InspectionItemCompleted, entry: Entry[OrderEvent]) -> Order:
    return _checked(order, event, Check(event.attempt, "passed" if event.passed else "failed", entry.at))


def _conceded(order: Order, event: ConcessionApproved, entry: Entry[OrderEvent]) -> Order:
    return _checked(order, event, Check(event.attempt, "conceded", entry.at))


def _checked(order: Order, event: InspectionItemCompleted | ConcessionApproved, check: Check) -> Order:
    line = order.lines.get(event.line)
    if line is None:
        return order
    runs = tuple(
        replace(made, checks={**made.checks, event.item: check}) if made.run == event.run else made
        for made in line.runs
    )
    return with_line(order, replace(line, runs=runs))


def _completed(order: Order, event: ProductionCompleted, entry: Entry[OrderEvent]) -> Order:
    line = order.lines.get(event.line)
    if line is None:
        return order
    runs = tuple(replace(made, completed=True) if made.run == event.run else made for made in line.runs)
    return with_line(order, replace(line, runs=runs, produced=line.produced + event.quantity))


CHANGES: Changes = {
    ProductionStarted: _started,
    ProductionStepCompleted: _step_completed,
    InspectionItemCompleted: _inspected,
    ConcessionApproved: _conceded,
    ProductionCompleted: _completed,
}
