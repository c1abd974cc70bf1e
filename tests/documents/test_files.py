"""The files of a document: the same event gives the same bytes, in its language, with its XML inside."""

import json
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pypdf
import pytest
from msgspec.structs import replace

from order_ledger.documents.as_json import as_json
from order_ledger.documents.as_pdf import as_pdf
from order_ledger.documents.as_xml import as_xml, vat_number
from order_ledger.documents.opened import NotMadeInThisForm, OpenedInvoice, OpenedReceipt
from order_ledger.documents.wording import LANGUAGES, page
from order_ledger.orders.events import Buyer, CreditNoteIssued, InvoiceIssued, ReceiptIssued
from order_ledger.values import Money
from tests.documents.rules import broken
from tests.examples import BERLIN, BOOK_CONFIRMED, BUYER, CONTACT, HAMBURG, ON_ITS_WAY, eur, paid, shipped
from tests.orders.streams import given
from tests.orders.test_issue_credit_note import INVOICED_AND_BACK, credit, credited
from tests.orders.test_issue_invoice import issue
from tests.orders.test_issue_receipt import receipt as receipt_of

PROJECT = Path(__file__).parents[2]


def an_invoice(**changed: Any) -> InvoiceIssued:
    (event,) = given(*BOOK_CONFIRMED, shipped((1, 3))).when(issue()).events
    assert isinstance(event, InvoiceIssued)
    return replace(event, **changed)


def a_receipt() -> ReceiptIssued:
    (event,) = given(*ON_ITS_WAY, paid("21.00")).when(receipt_of()).events
    assert isinstance(event, ReceiptIssued)
    return event


INVOICE = OpenedInvoice(an_invoice(), BUYER, HAMBURG)
NOTE = OpenedInvoice(credited(INVOICED_AND_BACK, credit()), BUYER, BERLIN)
RECEIPT = OpenedReceipt(a_receipt(), CONTACT, "en")
ERASED = OpenedInvoice(an_invoice(), None, None)


def text_of(pdf: bytes) -> str:
    return "\n".join(each.extract_text() for each in pypdf.PdfReader(BytesIO(pdf)).pages)


@pytest.mark.parametrize("document", [INVOICE, NOTE, RECEIPT, ERASED], ids=["invoice", "note", "receipt", "erased"])
def test_the_same_document_gives_the_same_bytes(document: OpenedInvoice | OpenedReceipt) -> None:
    first = as_pdf(document)
    time.sleep(1.05)  # the embedding library's clock counts seconds
    assert as_pdf(document) == first
    assert as_json(document) == as_json(document)


def test_another_process_on_another_day_gives_the_same_bytes() -> None:
    program = (
        "import hashlib; from tests.documents.test_files import INVOICE, as_pdf; "
        "print(hashlib.sha256(as_pdf(INVOICE)).hexdigest())"
    )
    environment = {"PYTHONPATH": f"{PROJECT}:{PROJECT}/src", "TZ": "Pacific/Auckland", "LC_ALL": "C"}
    hashes = [
        subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert len(set(hashes)) == 1 and len(hashes[0]) == 65


@pytest.mark.parametrize("document", [INVOICE, NOTE], ids=["invoice", "note"])
def test_the_xml_is_inside_the_pdf(document: OpenedInvoice) -> None:
    reader = pypdf.PdfReader(BytesIO(as_pdf(document)))
    assert reader.pdf_header == "%PDF-1.7"
    assert reader.attachments["factur-x.xml"] == [as_xml(document)]
    described = reader.trailer["/Root"]["/Metadata"].get_object().get_data().decode()  # type: ignore[index]
    assert "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>" in described
    assert "<pdfaid:part>3</pdfaid:part>" in described and "<pdfaid:conformance>B</pdfaid:conformance>" in described
    assert reader.metadata is not None and str(reader.metadata["/ModDate"]) == "D:20261121000000+00'00'"


def test_what_stands_on_an_invoice() -> None:
    text = text_of(as_pdf(INVOICE))
    for each in (
        "Rechnung", "ACME-INV-2026-000001", "21.11.2026", "Ada Lovelace", "Unter den Linden 1", "Jungfernstieg 1",
        "17,65", "USt. 19\u202f% auf 17,65\u00a0EUR", "21,00\u00a0EUR", "05.12.2026",
        "DE89370400440532013000", "DE123456789",
    ):  # fmt: skip
        assert each in text, each


def test_what_stands_on_a_credit_note_and_on_a_receipt() -> None:
    text = text_of(as_pdf(NOTE))
    assert "Gutschrift" in text and "ACME-INV-2026-000001, 21.11.2026" in text.replace("\n", "")
    text = text_of(as_pdf(RECEIPT))
    assert "Receipt" in text and "21.00\u00a0EUR" in text and "Card •••• 4242" in text


@pytest.mark.parametrize(
    ("tag", "heading"),
    [("en", "Invoice"), ("de-AT", "Rechnung"), ("fr", "Facture"), ("pt-BR", "Fatura"), ("fi", "Invoice")],
)
def test_in_its_language_or_in_english(tag: str, heading: str) -> None:
    document = OpenedInvoice(an_invoice(language=tag), BUYER, BERLIN)
    assert heading in text_of(as_pdf(document))


@pytest.mark.parametrize(("tag", "heading"), [("en", "Receipt"), ("de-AT", "Quittung"), ("fi", "Receipt")])
def test_a_receipt_is_in_its_orders_language_or_in_english(tag: str, heading: str) -> None:
    assert heading in text_of(as_pdf(OpenedReceipt(a_receipt(), CONTACT, tag)))


def test_every_language_has_every_word() -> None:
    words = json.loads((PROJECT / "src/order_ledger/documents/layout_1/words.json").read_text())
    assert set(words) == set(LANGUAGES)
    assert len({frozenset(each) for each in words.values()}) == 1
    for each in words.values():
        assert set(each["methods"]) == set(words["en"]["methods"])


def test_numbers_are_written_as_the_language_does() -> None:
    thousands = OpenedInvoice(an_invoice(gross_total=eur("1234567.80")), BUYER, BERLIN)
    written = {
        language: dict(page(OpenedInvoice(replace(thousands.event, language=language), BUYER, BERLIN), "1")["totals"])
        for language in LANGUAGES
    }
    assert written["en"]["Total"] == "1,234,567.80\u00a0EUR"
    assert written["de"]["Gesamtbetrag"] == "1.234.567,80\u00a0EUR"
    assert written["fr"]["Total TTC"] == "1\u202f234\u202f567,80\u00a0EUR"


def test_an_erased_buyer_reads_as_erased() -> None:
    assert "Gelöscht" in text_of(as_pdf(ERASED))
    assert json.loads(as_json(ERASED))["buyer"] == {"erased": True}
    assert b"<ram:Name>erased</ram:Name>" in as_xml(ERASED)
    assert broken(as_xml(ERASED)) == []
    for made in (as_pdf(ERASED), as_json(ERASED), as_xml(ERASED)):
        assert b"Lovelace" not in made
    assert json.loads(as_json(OpenedReceipt(a_receipt(), None, "en")))["payer"] == {"erased": True}


def test_a_sign_that_the_font_does_not_have_is_no_reason_to_fail() -> None:
    """On the page it is a question mark; in the XML beside it, it is itself."""
    buyer = Buyer(replace(CONTACT, name="李小龙 Lee 😀"), BERLIN)
    pdf = as_pdf(OpenedInvoice(an_invoice(), buyer, BERLIN))
    assert "??? Lee ?" in text_of(pdf)
    (xml,) = pypdf.PdfReader(BytesIO(pdf)).attachments["factur-x.xml"]
    assert "李小龙 Lee 😀" in xml.decode()


def test_what_is_typed_is_not_obeyed() -> None:
    """Nothing in a name is markup to the typesetter or to the XML."""
    name = '#read("/etc/passwd") *bold* $x$ <b> & "quoted" \\ `raw` //'
    buyer = Buyer(replace(CONTACT, name=name), BERLIN)
    pdf = as_pdf(OpenedInvoice(an_invoice(), buyer, BERLIN))
    assert '#read("/etc/passwd") *bold* $x$ <b> & "quoted"' in text_of(pdf).replace("\n", " ")
    (xml,) = pypdf.PdfReader(BytesIO(pdf)).attachments["factur-x.xml"]
    assert broken(xml) == []


def test_a_receipt_has_no_xml() -> None:
    with pytest.raises(NotMadeInThisForm, match="A receipt has no XML"):
        as_xml(RECEIPT)


def test_a_currency_of_three_decimals_has_a_pdf_and_no_xml() -> None:
    dinars = OpenedInvoice(an_invoice(currency="KWD", prepaid=Money(eur("0").amount, "KWD")), BUYER, BERLIN)
    with pytest.raises(NotMadeInThisForm, match="KWD"):
        as_xml(dinars)
    assert dict(pypdf.PdfReader(BytesIO(as_pdf(dinars))).attachments) == {}


def test_a_layout_of_a_later_version_is_said() -> None:
    with pytest.raises(NotMadeInThisForm, match="Layout 99"):
        as_pdf(OpenedInvoice(an_invoice(layout="99"), BUYER, BERLIN))


def test_json_holds_the_whole_document() -> None:
    told = json.loads(as_json(NOTE))
    assert (told["number"], told["kind"], told["invoice"]["number"]) == (
        "ACME-CRN-2026-000001", 381, "ACME-INV-2026-000001",
    )  # fmt: skip
    assert told["gross_total"] == {"amount": "7.00", "currency": "EUR"}
    assert told["buyer"]["contact"]["name"] == "Ada Lovelace"
    assert isinstance(NOTE.event, CreditNoteIssued) and set(NOTE.event.__struct_fields__) == set(told)


@pytest.mark.parametrize(
    ("given_id", "country", "written"),
    [("DE 123-456.789", "DE", "DE123456789"), ("123456789", "GR", "EL123456789"), ("atu1", "AT", "ATU1"),
     (None, "DE", None), (" . ", "DE", None)],
)  # fmt: skip
def test_vat_ids_name_their_country(given_id: str | None, country: str, written: str | None) -> None:
    assert vat_number(given_id, country) == written
