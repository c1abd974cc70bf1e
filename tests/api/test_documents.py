"""Documents at the door: lists for those who may, files that stay the same, and what is not there for others."""

from io import BytesIO
from typing import Any
from uuid import UUID

import psycopg
import pypdf
import pytest

from order_ledger.documents.as_pdf import made_with
from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.policies.engine.finding import find as find_policy
from order_ledger.policies.engine.running import Runner
from tests.api.conftest import ROTOR, Atelier, Ledger
from tests.documents.rules import broken

BOOK = {
    **{name: value for name, value in ROTOR.items() if name not in ("steps", "plan")},
    "sku": "BOOK",
    "description": "Book",
    "kind": "untracked",
    "unit_price": "7.00",
}


class Dealt:
    """An order of three books at this seller: one shipped, everything paid, and its documents issued."""

    def __init__(self, ledger: Ledger, atelier: Atelier) -> None:
        self.ledger, self.atelier = ledger, atelier
        listed = atelier.ip_owner.ask(
            "/v1/items", {**BOOK, "seller": str(atelier.seller), "manufacturer": str(atelier.seller)}
        )
        assert listed.status_code == 201, listed.text
        with psycopg.connect(ledger.database, autocommit=True) as connection:
            runner = Runner(ledger.journal, find_policy("issue_documents"))
            runner.prepare(connection)
            self.order = self.place()
            row = connection.execute("SELECT max(notification_id) FROM journal.entry").fetchone()
            assert row is not None
            runner.catch_up(connection, row[0])
        self.position = self.follow()
        found = self.documents()
        self.invoice, self.receipt = (
            next(each["number"] for each in found if each["kind"] == kind) for kind in ("invoice", "receipt")
        )

    def place(self) -> str:
        atelier = self.atelier
        basket = atelier.basket(
            lines=[{"sku": "BOOK", "quantity": 3}],
            expected_total={"amount": "21.00", "currency": "EUR"},
            language="de",
        )
        order: str = self.ask(atelier.consumer, "/v1/orders", basket)["order_id"]
        self.ask(atelier.ip_owner, f"/v1/orders/{order}/confirm", {})
        pay = {"kind": "captured", "amount": {"amount": "21.00", "currency": "EUR"}, "method": "card",
               "provider": "acme-pay", "reference": order}  # fmt: skip
        self.ask(atelier.customer_service, f"/v1/orders/{order}/record-payment", pay)
        ship = {"lines": [{"line": 1, "quantity": 1}], "carrier": "dhl", "tracking_number": "1",
                "tracking_url": "https://track.example.com/1"}  # fmt: skip
        self.ask(atelier.manufacturer, f"/v1/orders/{order}/ship", ship)
        return order

    def ask(self, caller: Any, path: str, body: Any) -> Any:
        answer = caller.ask(path, body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def follow(self) -> int:
        with psycopg.connect(self.ledger.database) as connection:
            row = connection.execute("SELECT max(notification_id) FROM journal.entry").fetchone()
        assert row is not None
        return Follower(self.ledger.database, find("invoices")).catch_up(row[0])

    def documents(self, role: str = "consumer") -> list[Any]:
        answer = getattr(self.atelier, role).get(f"/v1/orders/{self.order}/documents", wait_for=self.position)
        assert answer.status_code == 200, answer.text
        found: list[Any] = answer.json()["documents"]
        return found


@pytest.fixture(scope="module")
def dealt(ledger: Ledger) -> Dealt:
    return Dealt(ledger, Atelier(ledger))


def test_who_may_reads_the_documents_of_an_order(dealt: Dealt) -> None:
    for role in ("consumer", "ip_owner", "customer_service", "auditor"):
        assert [each["kind"] for each in dealt.documents(role)] == ["receipt", "invoice"]
    answer = dealt.atelier.analyst.get(f"/v1/orders/{dealt.order}/documents")
    assert set(answer.json()) == {"totals"}
    assert [each["gross"] for each in answer.json()["totals"]["documents"]] == ["7.00", "21.00"]
    for role in ("manufacturer", "warehouse", "administrator"):
        assert getattr(dealt.atelier, role).get(f"/v1/orders/{dealt.order}/documents").status_code == 403


def test_lists_hold_what_is_ones_own(ledger: Ledger, dealt: Dealt) -> None:
    other = Atelier(ledger)

    def numbers(who: Atelier, role: str, **query: Any) -> list[str]:
        answer = getattr(who, role).get("/v1/documents", **query)
        assert answer.status_code == 200, answer.text
        return [each["number"] for each in answer.json()["documents"]]

    mine = [dealt.receipt, dealt.invoice]
    assert numbers(dealt.atelier, "consumer") == numbers(dealt.atelier, "ip_owner") == mine
    assert numbers(other, "consumer") == numbers(other, "ip_owner") == []
    assert numbers(other, "consumer", consumer=str(dealt.atelier.consumer.person)) == []
    assert numbers(other, "ip_owner", seller=str(dealt.atelier.seller)) == []
    assert numbers(other, "auditor", seller=str(dealt.atelier.seller)) == mine
    assert numbers(other, "customer_service", order=dealt.order, kind="invoice", open="false") == [dealt.invoice]
    assert numbers(dealt.atelier, "consumer", open="true") == []
    totals = dealt.atelier.ip_owner.get("/v1/documents").json()["totals"]
    assert [(each["kind"], each["gross"]) for each in totals["documents"]] == [
        ("invoice", "7.00"),
        ("receipt", "21.00"),
    ]


@pytest.mark.parametrize(
    "query",
    [{"kind": "bill"}, {"order": "x"}, {"issued_from": "20261121"}, {"issued_to": "2026-13-01"}, {"open": "maybe"},
     {"limit": "0"}, {"limit": "201"}, {"cursor": "x"}, {"colour": "red"}, {"wait_for": "-1"}],
)  # fmt: skip
def test_bad_filters_are_named(atelier: Atelier, query: dict[str, str]) -> None:
    answer = atelier.consumer.get("/v1/documents", **query)
    assert answer.status_code == 422, answer.text
    assert answer.json()["violations"][0]["path"] == f"?{next(iter(query))}"


def test_an_invoice_as_a_file(dealt: Dealt) -> None:
    consumer = dealt.atelier.consumer
    told = consumer.get(f"/v1/documents/{dealt.invoice}.json")
    assert (told.status_code, told.headers["content-type"]) == (200, "application/json")
    assert told.json()["buyer"]["contact"]["name"] == "Ada Lovelace"
    xml = consumer.get(f"/v1/documents/{dealt.invoice}.xml")
    assert xml.headers["content-type"].startswith("application/xml") and broken(xml.content) == []
    pdf = consumer.get(f"/v1/documents/{dealt.invoice}.pdf")
    assert pypdf.PdfReader(BytesIO(pdf.content)).attachments["factur-x.xml"] == [xml.content]
    assert pdf.headers["content-disposition"] == f'inline; filename="{dealt.invoice}.pdf"'
    again = dealt.atelier.auditor.get(f"/v1/documents/{dealt.invoice}.pdf")
    assert (again.content, again.headers["etag"]) == (pdf.content, pdf.headers["etag"])


def test_another_s_document_and_none_are_told_alike(ledger: Ledger, dealt: Dealt) -> None:
    stranger = Atelier(ledger)
    none = dealt.invoice[:-6] + "999999"
    for role in ("consumer", "ip_owner"):
        caller = getattr(stranger, role)
        numbers = (dealt.invoice, none, "nothing", "INV-000001x")
        answers = [caller.get(f"/v1/documents/{each}.{form}") for each in numbers for form in ("json", "pdf", "xml")]
        answers.append(caller.get(f"/v1/documents/{dealt.invoice}.docx"))
        assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}
    for role in ("manufacturer", "warehouse", "administrator", "analyst"):
        refused = getattr(dealt.atelier, role).get(f"/v1/documents/{dealt.invoice}.pdf")
        assert refused.status_code == 403 and role not in refused.json()["roles"]


def test_documents_are_in_the_language_of_their_order(dealt: Dealt) -> None:
    for number, heading in ((dealt.invoice, "Rechnung"), (dealt.receipt, "Quittung")):
        file = dealt.atelier.consumer.get(f"/v1/documents/{number}.pdf").content
        assert heading in pypdf.PdfReader(BytesIO(file)).pages[0].extract_text()


def test_a_receipt_has_no_xml(dealt: Dealt) -> None:
    refused = dealt.atelier.consumer.get(f"/v1/documents/{dealt.receipt}.xml")
    assert (refused.status_code, refused.json()["code"]) == (406, "not_made_in_this_form")
    assert "A receipt has no XML" in refused.json()["detail"]
    assert dealt.atelier.consumer.get(f"/v1/documents/{dealt.receipt}.pdf").status_code == 200


def test_who_looked_is_written_down(ledger: Ledger, dealt: Dealt) -> None:
    dealt.atelier.auditor.get(f"/v1/documents/{dealt.invoice}.json")
    with psycopg.connect(ledger.database) as connection:
        row = connection.execute(
            "SELECT person, role, subject FROM journal.access WHERE what = %s ORDER BY id DESC LIMIT 1",
            (f"read:document:{dealt.invoice}",),
        ).fetchone()
    assert row == (dealt.atelier.auditor.person, "auditor", UUID(dealt.order))


def test_a_file_that_is_not_the_first_is_not_given_out(ledger: Ledger, dealt: Dealt) -> None:
    """Such as would be made by an altered event, or by a template that was changed afterwards."""
    other = Dealt(ledger, Atelier(ledger))
    with psycopg.connect(ledger.database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO documents.file (number, media_type, layout, erased, made_with, sha256) "
            "VALUES (%s, 'application/json', '1', false, %s, %s)",
            (other.invoice, made_with(), bytes(32)),
        )
    refused = other.atelier.consumer.get(f"/v1/documents/{other.invoice}.json")
    assert (refused.status_code, refused.json()["code"]) == (500, "file_differs")
    assert "0000" in refused.json()["detail"] and "Lovelace" not in refused.text


def test_an_erased_buyer_reads_as_erased(ledger: Ledger) -> None:
    dealt = Dealt(ledger, Atelier(ledger))
    consumer = dealt.atelier.consumer
    whole = consumer.get(f"/v1/documents/{dealt.invoice}.pdf")
    with psycopg.connect(ledger.database, autocommit=True) as connection:
        connection.execute(
            "UPDATE personal.key SET wrapped = NULL, erased_at = now() WHERE person = %s AND purpose = 'document'",
            (consumer.person,),
        )
    auditor = dealt.atelier.auditor
    told = auditor.get(f"/v1/documents/{dealt.invoice}.json").json()
    assert (told["buyer"], told["ship_to"], told["gross_total"]["amount"]) == (
        {"erased": True},
        {"erased": True},
        "7.00",
    )
    assert b"Lovelace" not in auditor.get(f"/v1/documents/{dealt.invoice}.xml").content
    erased = auditor.get(f"/v1/documents/{dealt.invoice}.pdf")
    assert erased.status_code == 200 and erased.headers["etag"] != whole.headers["etag"]
    assert auditor.get(f"/v1/documents/{dealt.receipt}.json").json()["payer"] == {"erased": True}
