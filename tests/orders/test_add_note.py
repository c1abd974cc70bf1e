"""Notes, and questions that wait for a role."""

from typing import Any

import pytest

from order_ledger.orders.commands import AddNote
from order_ledger.orders.events import NoteAdded
from order_ledger.values import unsealed
from tests.examples import ADA, CAME_BACK, CONSUMER, IN_PRODUCTION, MAKER, OWNER, RMA, SHIPMENT
from tests.orders.streams import given


def note(**changed: Any) -> AddNote:
    return AddNote(**{"text": "Is 0.4 mm acceptable?", **changed})


def added(number: int = 1, **changed: Any) -> NoteAdded:
    known: dict[str, Any] = {
        "note": number,
        "text": unsealed("Is 0.4 mm acceptable?", ADA),
        "audience": "everyone",
        "about": "order",
        "for_role": None,
        "answers_note": None,
    }
    return NoteAdded(**{**known, **changed})


def test_added() -> None:
    given(*IN_PRODUCTION).when(note(), by=CONSUMER).then(added())


@pytest.mark.parametrize("about", ["order", "line:1", "step:1/milling", "item:1/bore"])
def test_about_what_is_there(about: str) -> None:
    given(*IN_PRODUCTION).when(note(about=about), by=MAKER).then(added(about=about))


@pytest.mark.parametrize("about", [f"shipment:{SHIPMENT}", f"rma:{RMA}"])
def test_about_a_parcel_or_a_return(about: str) -> None:
    given(*CAME_BACK).when(note(about=about), by=CONSUMER).then(added(about=about))


def test_a_question_waits_until_it_is_answered() -> None:
    asked = given(*IN_PRODUCTION).when(note(audience="staff", for_role="ip_owner"), by=MAKER)
    history = asked.then(added(audience="staff", for_role="ip_owner"))
    assert [question.note for question in history.state.open_questions] == [1]
    answered = history.when(note(audience="staff", answers_note=1), by=OWNER)
    answered.then(added(2, audience="staff", answers_note=1)).comes_to(open_questions=())


@pytest.mark.parametrize("about", ["line:7", "line:1x", "step:1/gilding", "item:1/shine", "shipment:x", "rma:R9"])
def test_refused_about_what_is_not_there(about: str) -> None:
    given(*IN_PRODUCTION).when(note(about=about), by=MAKER).then_refused_for("unknown_subject")


def test_refused_as_an_answer_to_nothing() -> None:
    given(*IN_PRODUCTION).when(note(answers_note=7), by=OWNER).then_refused_for("unknown_note")


def test_refused_between_staff_where_a_consumer_writes_or_is_asked() -> None:
    given(*IN_PRODUCTION).when(note(audience="staff"), by=CONSUMER).then_refused_for("audience")
    given(*IN_PRODUCTION).when(note(audience="staff", for_role="consumer"), by=MAKER).then_refused_for("audience")
