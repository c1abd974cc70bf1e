"""The scripts that everybody starts with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

SKIPS = """
import pytest

@pytest.mark.skip
def test_by_a_bare_mark(): ...

@pytest.mark.skipif(True, reason="")
def test_by_an_empty_reason(): ...

def test_by_a_bare_call():
    pytest.skip()

@pytest.mark.skip(reason="it is explained")
def test_explained(): ...

@pytest.mark.xfail
def test_that_is_known_to_fail():
    assert False
"""


@pytest.mark.parametrize("arguments", [[], ["no-such-bench"], ["../set-up"], ["_harness"]])
def test_a_bench_that_is_not_there_gets_the_list_of_those_that_are(arguments: list[str], tmp_path: Path) -> None:
    said = subprocess.run(
        [str(PROJECT / "scripts" / "bench"), *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert said.returncode == 2
    assert said.stdout == ""
    benches = sorted(file.stem for file in PROJECT.glob("scripts/benches/[!_]*.py"))
    assert [line.strip() for line in said.stderr.splitlines() if line.startswith("  ")] == benches


def test_the_tests_are_found_from_any_folder(tmp_path: Path) -> None:
    command = [str(PROJECT / "scripts" / "test"), "--collect-only", "-q", "tests/platform/test_scripts.py"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert "test_the_tests_are_found_from_any_folder" in said.stdout


@pytest.mark.parametrize(("ci", "outcome"), [("true", "1 failed, 1 skipped, 1 xfailed, 2 errors"), ("", "4 skipped")])
def test_where_the_truth_is_told_a_skip_needs_a_reason(tmp_path: Path, ci: str, outcome: str) -> None:
    said = _pytest(tmp_path, SKIPS, ci)
    assert outcome in said.stdout
    assert said.returncode == (1 if ci else 0)
    assert ("test_by_a_bare_mark was skipped without a reason" in said.stdout) == bool(ci)


@pytest.mark.parametrize(("reason", "outcome"), [("", "1 error"), ("no such thing here", "1 skipped")])
def test_so_does_that_of_a_whole_file(tmp_path: Path, reason: str, outcome: str) -> None:
    said = _pytest(tmp_path, f"import pytest\npytest.skip({reason!r}, allow_module_level=True)\n", ci="true")
    assert outcome in said.stdout


def _pytest(folder: Path, code: str, ci: str) -> "subprocess.CompletedProcess[str]":
    (folder / "test_skips.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "test_skips.py"]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
