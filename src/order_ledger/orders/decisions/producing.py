"""Making a line: steps in their order, the inspection and test plan, concessions, and when it is done."""

from order_ledger.orders.commands import (
    ApproveConcession,
    CompleteInspectionItem,
    CompleteProduction,
    CompleteStep,
    StartProduction,
)
from order_ledger.orders.decisions.rules import (
    Blockers,
    Context,
    Rules,
    blocker,
    ended,
    held,
    unconfirmed,
    unknown_line,
    unless_ended,
    unpaid,
)
from order_ledger.orders.events import (
    ConcessionApproved,
    InspectionItemCompleted,
    OrderEvent,
    ProductionCompleted,
    ProductionStarted,
    ProductionStepCompleted,
)
from order_ledger.orders.lines import Line, Run
from order_ledger.orders.order import Order
from order_ledger.refusals import Blocker
from order_ledger.values import PlanItem

__all__ = ["APPROVE_CONCESSION", "COMPLETE_INSPECTION_ITEM", "COMPLETE_PRODUCTION", "COMPLETE_STEP", "START_PRODUCTION"]


# Starting


def _startable(order: Order, context: Context) -> Blockers:
    yield from ended(order)
    yield from unconfirmed(order)
    yield from held(order)
    yield from unpaid(order)


def _what_to_start(order: Order, context: Context) -> Blockers:
    why = [tuple(_line_startable(line)) for line in order.open_lines if line.ordered.kind == "made_to_order"]
    if not why:
        yield blocker("nothing_to_make", "No line of the order is made to order.")
    elif all(why):
        yield from (reason for reasons in why for reason in reasons)


def _line_startable(line: Line) -> Blockers:
    number = line.line
    if line.manufacturer is None:
        yield blocker("not_assigned", f"Nobody is assigned to make line {number}.", "ip_owner", line=number)
    if line.in_production:
        yield blocker("in_production", f"Line {number} is being made already.", "manufacturer", line=number)
    elif line.rest - line.shelf <= 0:
        yield blocker("nothing_to_make", f"Of line {number} nothing is left to be made.", line=number)


def _start_asked(order: Order, command: StartProduction, context: Context) -> Blockers:
    line = order.lines.get(command.line)
    if line is None:
        yield unknown_line(command.line)
    elif line.ordered.kind != "made_to_order":
        yield blocker("not_made_to_order", f"Line {command.line} is not made to order.", line=command.line)
    else:
        yield from _line_startable(line)


def _start(order: Order, command: StartProduction, context: Context) -> tuple[OrderEvent, ...]:
    line = order.lines.get(command.line)
    if line is None:
        return (ProductionStarted(command.line, 1, 1),)
    run = line.runs[-1].run + 1 if line.runs else 1
    return (ProductionStarted(command.line, run, max(line.rest - line.shelf, 1)),)


def _being_made(order: Order, command: StartProduction) -> bool:
    line = order.lines.get(command.line)
    return line is not None and line.in_production


START_PRODUCTION = Rules[StartProduction](
    events=_start, standing=_startable, asked=_start_asked, overview=_what_to_start, repeated=_being_made
)


# Steps


def _run(order: Order, number: int) -> Run | None:
    line = order.lines.get(number)
    return line.run if line is not None else None


def _made_now(order: Order) -> list[Line]:
    return [line for line in order.open_lines if order.line_state(line.line) == "in_production"]


def _something_is_made(order: Order, context: Context) -> Blockers:
    if not _made_now(order):
        yield blocker("not_in_production", "Nothing of the order is being made.", "manufacturer")


def _line_is_made(order: Order, number: int) -> Blockers:
    line = order.lines.get(number)
    if line is None:
        yield unknown_line(number)
    elif order.line_state(number) != "in_production":
        # Also what is no longer wanted, or is there already, though its making was begun.
        yield blocker("not_in_production", f"Line {number} is not being made.", "manufacturer", line=number)


def _step_asked(order: Order, command: CompleteStep, context: Context) -> Blockers:
    yield from _line_is_made(order, command.line)
    line = order.lines.get(command.line)
    if line is None or line.run is None:
        return
    steps = [step.step for step in line.ordered.steps]
    if command.step not in steps:
        yield blocker(
            "unknown_step", f"Line {command.line} has no step {command.step}.", line=command.line, item=command.step
        )
        return
    place = steps.index(command.step)
    done = line.run.steps
    if place and steps[place - 1] not in done:
        yield _step_missing(command.line, steps[place - 1])
    if command.rework_for is not None and line.plan_item(command.rework_for) is None:
        yield _unknown_item(command.line, command.rework_for)
    yield from _wrong_attempt(command.line, command.step, command.attempt, done.get(command.step, 0))
    if command.started_at is not None and command.at is not None and command.started_at > command.at:
        yield blocker("started_later", "A step cannot be begun after it was done.", line=command.line)


def _step_missing(line: int, step: str) -> Blocker:
    return blocker("step_missing", f"Step {step} of line {line} is not done.", "manufacturer", line=line, item=step)


def _unknown_item(line: int, item: str) -> Blocker:
    return blocker("unknown_item", f"The plan of line {line} has no item {item}.", line=line, item=item)


def _wrong_attempt(line: int, item: str, attempt: int | None, made: int) -> Blockers:
    if attempt is not None and attempt != made + 1:
        yield blocker("wrong_attempt", f"The next attempt of {item} is {made + 1}.", line=line, item=item)


def _step(order: Order, command: CompleteStep, context: Context) -> tuple[OrderEvent, ...]:
    run = _run(order, command.line)
    made = run.steps.get(command.step, 0) if run is not None else 0
    return (
        ProductionStepCompleted(
            line=command.line,
            run=run.run if run is not None else 1,
            step=command.step,
            attempt=made + 1,
            started_at=command.started_at,
            rework_for=command.rework_for,
        ),
    )


def _step_repeated(order: Order, command: CompleteStep) -> bool:
    line = order.lines.get(command.line)
    if line is None or line.run is None or command.attempt is None:
        return False
    return line.run.steps.get(command.step, 0) >= command.attempt


COMPLETE_STEP = Rules[CompleteStep](
    events=_step, standing=unless_ended, asked=_step_asked, overview=_something_is_made, repeated=_step_repeated
)


# Items of the plan


def _item_asked(order: Order, command: CompleteInspectionItem, context: Context) -> Blockers:
    yield from _line_is_made(order, command.line)
    line = order.lines.get(command.line)
    if line is None or line.run is None:
        return
    planned = line.plan_item(command.item)
    if planned is None:
        yield _unknown_item(command.line, command.item)
        return
    if planned.after_step not in line.run.steps:
        yield _step_missing(command.line, planned.after_step)
    yield from _wrong_attempt(command.line, command.item, command.attempt, line.run.check(command.item).attempts)
    if command.passed:
        yield from _no_pass(command, planned)


def _no_pass(command: CompleteInspectionItem, planned: PlanItem) -> Blockers:
    line, item = command.line, command.item
    if planned.low is not None or planned.high is not None:
        if command.reading is None:
            yield blocker("reading_missing", f"{planned.name} passes with its reading only.", line=line, item=item)
        elif (planned.low is not None and command.reading < planned.low) or (
            planned.high is not None and command.reading > planned.high
        ):
            low, high = ("…" if limit is None else limit for limit in (planned.low, planned.high))
            limits = f"{low} to {high} {planned.unit or ''}".strip()
            what = f"{planned.name}: {command.reading} is outside {limits}; record it as failed."
            yield blocker("outside_limits", what, "manufacturer", line=line, item=item)
    if planned.evidence and not command.evidence:
        yield blocker("evidence_missing", f"{planned.name} passes with its evidence only.", line=line, item=item)


def _item(order: Order, command: CompleteInspectionItem, context: Context) -> tuple[OrderEvent, ...]:
    line, run = order.lines.get(command.line), _run(order, command.line)
    planned = line.plan_item(command.item) if line is not None else None
    return (
        InspectionItemCompleted(
            line=command.line,
            run=run.run if run is not None else 1,
            item=command.item,
            attempt=run.check(command.item).attempts + 1 if run is not None else 1,
            passed=command.passed,
            reading=command.reading,
            unit=planned.unit if planned is not None and command.reading is not None else None,
            evidence=command.evidence,
        ),
    )


def _item_repeated(order: Order, command: CompleteInspectionItem) -> bool:
    line = order.lines.get(command.line)
    if line is None or line.run is None or command.attempt is None:
        return False
    return line.run.check(command.item).attempts >= command.attempt


COMPLETE_INSPECTION_ITEM = Rules[CompleteInspectionItem](
    events=_item, standing=unless_ended, asked=_item_asked, overview=_something_is_made, repeated=_item_repeated
)


# Concessions


def _something_failed(order: Order, context: Context) -> Blockers:
    runs = [line.run for line in _made_now(order) if line.run is not None]
    if not any(check.state == "failed" for run in runs for check in run.checks.values()):
        yield blocker("not_failed", "No inspection item has failed.", "manufacturer")


def _concession_asked(order: Order, command: ApproveConcession, context: Context) -> Blockers:
    yield from _line_is_made(order, command.line)
    line = order.lines.get(command.line)
    if line is None or line.run is None:
        return
    if line.plan_item(command.item) is None:
        yield _unknown_item(command.line, command.item)
    elif line.run.check(command.item).state != "failed":
        what = f"The last result of {command.item} is not a failure."
        yield blocker("not_failed", what, "manufacturer", line=command.line, item=command.item)


def _concede(order: Order, command: ApproveConcession, context: Context) -> tuple[OrderEvent, ...]:
    run = _run(order, command.line)
    if run is None:
        return (ConcessionApproved(command.line, 1, command.item, 1),)
    return (ConcessionApproved(command.line, run.run, command.item, run.check(command.item).attempts),)


def _conceded(order: Order, command: ApproveConcession) -> bool:
    line = order.lines.get(command.line)
    return line is not None and line.run is not None and line.run.check(command.item).state == "conceded"


APPROVE_CONCESSION = Rules[ApproveConcession](
    events=_concede, standing=unless_ended, asked=_concession_asked, overview=_something_failed, repeated=_conceded
)


# Completing


def _completable(order: Order, context: Context) -> Blockers:
    yield from ended(order)
    yield from held(order)


def _what_to_complete(order: Order, context: Context) -> Blockers:
    nothing_made = tuple(_something_is_made(order, context))
    yield from nothing_made
    if not nothing_made:
        why = [tuple(_missing(line)) for line in _made_now(order)]
        if all(why):
            yield from (reason for reasons in why for reason in reasons)


def _completion_asked(order: Order, command: CompleteProduction, context: Context) -> Blockers:
    yield from _line_is_made(order, command.line)
    line = order.lines.get(command.line)
    if line is not None and line.in_production:
        yield from _missing(line)


def _missing(line: Line) -> Blockers:
    """Every step that is not done, and every required item that neither passed nor was conceded."""
    run, number = line.run, line.line
    if run is None:
        return
    for step in line.ordered.steps:
        if step.step not in run.steps:
            yield _step_missing(number, step.step)
    for planned in line.ordered.plan:
        if not planned.required:
            continue
        match run.check(planned.item).state:
            case "pending":
                what = f"{planned.name} of line {number} is not checked."
                yield blocker("item_pending", what, "manufacturer", line=number, item=planned.item)
            case "failed":
                what = f"{planned.name} of line {number} failed: mend it and check again, or have it conceded."
                yield blocker("item_failed", what, "manufacturer", "ip_owner", line=number, item=planned.item)
            case "passed" | "conceded":
                pass


def _complete(order: Order, command: CompleteProduction, context: Context) -> tuple[OrderEvent, ...]:
    run = _run(order, command.line)
    if run is None:
        line = order.lines.get(command.line)
        return (ProductionCompleted(command.line, 1, max(line.rest, 1) if line is not None else 1),)
    return (ProductionCompleted(command.line, run.run, run.quantity),)


def _made(order: Order, command: CompleteProduction) -> bool:
    line = order.lines.get(command.line)
    return line is not None and line.run is not None and line.run.completed


COMPLETE_PRODUCTION = Rules[CompleteProduction](
    events=_complete, standing=_completable, asked=_completion_asked, overview=_what_to_complete, repeated=_made
)
