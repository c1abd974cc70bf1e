"""A document as PDF/A-3, with the XML of an invoice or credit note inside (Factur-X).

The same document gives the same bytes: the fonts are those inside the typesetter, none of the machine's; every time in
the file is the day of issue; and what the embedding library writes of its own clock is set to it too.
"""

import re
from datetime import UTC, datetime, time
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from io import BytesIO
from typing import Any, Literal

import facturx
import msgspec
import typst
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject

from order_ledger.documents.as_xml import as_xml
from order_ledger.documents.opened import NotMadeInThisForm, Opened, OpenedInvoice
from order_ledger.documents.wording import page

MEDIA_TYPE = "application/pdf"
_STANDARD: Literal["a-3b"] = "a-3b"
_NO_GLYPH = re.compile(r'the text `"(.+?)"` could not be displayed', re.DOTALL)
_MOST_REPLACED = 500
_REPLACEMENT = "?"
_CLOCK = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


@cache
def made_with() -> str:
    """The programs that make the files, and their versions: other versions may write other bytes."""
    return ", ".join(f"{name} {version(name)}" for name in ("typst", "drafthorse", "factur-x", "pypdf", "lxml"))


def as_pdf(document: Opened) -> bytes:
    """The bytes; the same document gives the same. Raises `NotMadeInThisForm` for a layout that there is not."""
    event = document.event
    layout = _layout(document.layout)
    day = datetime.combine(event.issued_on, time(), UTC)
    written = page(document, layout)
    typeset = _typeset(layout, written, day)
    try:
        xml = as_xml(document)
    except NotMadeInThisForm:
        return typeset
    assert isinstance(document, OpenedInvoice), "only these have an XML"
    embedded = facturx.generate_from_binary(
        typeset,
        xml,
        flavor="factur-x",
        level="en16931",
        check_xsd=False,  # it was checked when it was written
        check_schematron=False,  # it answers True where its server is missing: the tests ask the rules themselves
        pdf_metadata={
            "author": written["seller"]["name"],
            "title": written["title"],
            "subject": written["title"],
            "keywords": "Factur-X",
        },
        lang=written["lang"],
        afrelationship="alternative",
        xmp_compression=False,
    )
    return _without_clock(bytes(embedded), day)


def _layout(layout: str) -> str:
    if not (files(__package__) / f"layout_{layout}" / "document.typ").is_file():
        raise NotMadeInThisForm(f"Layout {layout} is not known to this version of the ledger: run a later one.")
    return layout


def _typeset(layout: str, written: dict[str, object], day: datetime) -> bytes:
    """The page. What the typesetter's own fonts have no sign for reads as a question mark: PDF/A allows no gap."""
    source = (files(__package__) / f"layout_{layout}" / "document.typ").read_bytes()
    text = msgspec.json.encode(written).decode()
    for _ in range(_MOST_REPLACED):
        try:
            made = typst.compile(
                source,
                format="pdf",
                sys_inputs={"document": text},
                ignore_system_fonts=True,
                pdf_standards=_STANDARD,
                timestamp=day,
            )
        except typst.TypstError as error:
            unknown = _NO_GLYPH.search(str(error))
            if unknown is None:
                raise
            for character in set(unknown.group(1)):
                text = text.replace(character, _REPLACEMENT)
            continue
        assert isinstance(made, bytes), "a PDF is one file"
        return made
    raise NotMadeInThisForm("The document is written in signs that the layout's font does not have.")


def _without_clock(pdf: bytes, moment: datetime) -> bytes:
    """The same file with the day of issue wherever the embedding library wrote the time it was made at."""
    reader = PdfReader(BytesIO(pdf))
    writer = PdfWriter(clone_from=reader)
    writer.pdf_header = reader.pdf_header
    stamp = moment.strftime("D:%Y%m%d%H%M%S+00'00'")
    writer.add_metadata({"/CreationDate": stamp, "/ModDate": stamp})
    root: Any = writer.root_object
    for file in root["/Names"]["/EmbeddedFiles"]["/Names"][1::2]:
        file.get_object()["/EF"]["/F"].get_object()["/Params"][NameObject("/ModDate")] = TextStringObject(stamp)
    described = root["/Metadata"].get_object()
    described.set_data(_CLOCK.sub(moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").encode(), described.get_data()))
    written = BytesIO()
    writer.write(written)
    return written.getvalue()
