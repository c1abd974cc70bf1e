"""What the import contracts cannot see: a clock or a die that comes with a type."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "order_ledger"
DECIDING = ("orders", "items", "stock", "parties")
# Each of these answers differently each time it is asked. Times, ids and prices come as arguments.
FORBIDDEN = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
FORBIDDEN |= {f"{prefix}uuid{version}" for prefix in ("", "uuid.") for version in (1, 4, 6, 7)}


def _calls(code: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func).replace("datetime.date", "date")


def test_what_decides_asks_no_clock_and_throws_no_dice() -> None:
    files = [file for package in DECIDING for file in (PACKAGE / package).rglob("*.py")]
    assert files
    found = [
        f"{file.relative_to(PACKAGE)}:{line}: {name}()"
        for file in files
        for line, name in _calls(file.read_text(encoding="utf-8"))
        if name in FORBIDDEN
    ]
    assert found == []


def test_only_the_settings_read_the_environment() -> None:
    """But for the word that a supervisor passes to its child, and the environment that it hands on whole."""
    readers = {
        file.name
        for file in PACKAGE.rglob("*.py")
        if any(word in file.read_text(encoding="utf-8") for word in ("os.environ", "os.getenv"))
    }
    assert readers <= {"processes.py"}
