"""No refusal without a test: every code that a guard knows is refused, or noted, by name somewhere here."""

import ast
from pathlib import Path

import pytest

from order_ledger.orders import decisions

GUARDS = Path(decisions.__file__).parent
TESTS = Path(__file__).parent


def codes() -> set[str]:
    found = set()
    for module in GUARDS.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                position = {"blocker": 0, "too_many": 3, "_more_than": 4}.get(node.func.id)
                if position is not None and isinstance(node.args[position], ast.Constant):
                    found.add(str(getattr(node.args[position], "value", "")))
    return found


WRITTEN = "".join(test.read_text() for test in TESTS.glob("test_*.py") if test != Path(__file__))


@pytest.mark.parametrize("code", sorted(codes()))
def test_this_code_has_a_test(code: str) -> None:
    assert f'"{code}"' in WRITTEN


def test_there_are_codes() -> None:
    assert {"held", "more_than_ready", "more_than_approved", "unpaid"} <= codes()
