"""The README's tour, typed as it stands there, against a whole ledger started by `order-ledger up`."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.following.lag import wait_for
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from order_ledger.values import Units
from tests.api.conftest import free_port
from tests.following.histories import SHIPMENTS, an_id, placed, shipped
from tests.following.writing import Writing

PROJECT = Path(__file__).parent.parent


def tour() -> list[str]:
    """The commands, in their order."""
    return re.findall(r"^```tour\n(.*?)^```", (PROJECT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a terminal beside a running ledger."""
    home, port = tmp_path_factory.mktemp("readme"), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")},
        "LEDGER_HOME": str(home),
        "LEDGER_PORT": str(port),
        "LEDGER": f"http://127.0.0.1:{port}",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"], str(_with_curl(home)))),
    }
    log = (home / "up.log").open("w+")
    ledger = subprocess.Popen(["order-ledger", "up"], env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 60
        while not _answers(environment["LEDGER"]):
            assert ledger.poll() is None and time.monotonic() < until, log.seek(0) or log.read()
            time.sleep(0.2)
        yield environment
    finally:
        ledger.send_signal(signal.SIGINT)
        ledger.wait(30)
        log.seek(0)
        said = log.read()
        log.close()
    assert "The first account" in said
    assert "admin" in said
    processes = [each.info for each in psutil.process_iter(["pid", "cmdline"])]
    left = [each for each in processes if str(home) in " ".join(each["cmdline"] or ())]
    assert not left, f"processes are left: {left}"


def _with_curl(home: Path) -> Path:
    """A folder with a curl, to be looked into last: the machine's own comes first."""
    program = home / "programs" / "curl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("curl.py")}" "$@"\n')
    program.chmod(0o755)
    return program.parent


def _answers(at: str) -> bool:
    try:
        return httpx2.get(f"{at}/healthz").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.timeout(240)
def test_the_tour(running: dict[str, str]) -> None:
    commands = tour()
    assert len(commands) >= 10
    script = "set -euo pipefail\n" + "\necho '--- next ---'\n".join(commands)

    done = subprocess.run(["bash", "-c", script], env=running, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    said = done.stdout.split("--- next ---\n")
    assert "ROTOR-200" in done.stderr and "completed" in said[0]
    assert "placed" in said[1]
    assert '"status":"placed"' in said[2]
    assert '"status":"placed"' in said[3] and '"name":"OrderPlaced"' in said[3]
    assert '"status":"confirmed"' in said[4]
    assert '"roles":["ip_owner"]' in said[5]
    assert "OrderConfirmed" in said[6] and "ip owner" in said[6]
    assert "DEMO-INV-" in said[7] and "does not hold" not in said[7]
    assert "order_status" in said[10]
    assert "ROTOR-200" in said[11] and "placed to confirmed" in said[11]
    assert "events and" in done.stderr and "entries and" in done.stderr


def test_every_command_that_the_readme_names_exists() -> None:
    from order_ledger.cli import COMMANDS

    named = set(re.findall(r"order-ledger ([a-z]+)", (PROJECT / "README.md").read_text()))

    assert named
    assert named <= set(COMMANDS) | {"is"}, named - set(COMMANDS)


# A projection in ten minutes


def written(language: str, name: str) -> str:
    """The block of the README that stands under this language and name."""
    (block,) = re.findall(
        rf"^```{language} ?{re.escape(name)}\n(.*?)^```", (PROJECT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return str(block)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the README has you write, beside the projections that there are."""
    shutil.copytree(PROJECT / "projections", tmp_path / "projections", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "projections" / "parcels").mkdir()
    for language, name in (("sql", "projections/parcels/schema.sql"), ("python", "projections/parcels/__init__.py")):
        (tmp_path / name).write_text(written(language, name))
    (tmp_path / "test_parcels.py").write_text(written("python", "tests/projections/test_parcels.py"))
    return tmp_path


def test_a_projection_in_ten_minutes(checkout: Path, ledger_url: str) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")},
        "LEDGER_DATABASE_URL": ledger_url,
        "LEDGER_HOME": str(checkout / "home"),
        "PYTHONPATH": f"{checkout}{os.pathsep}{PROJECT}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    tested = subprocess.run(
        [*tests, "test_parcels.py", "--rootdir", str(checkout)],
        env=environment, cwd=checkout, capture_output=True, text=True,
    )  # fmt: skip
    assert "2 passed" in tested.stdout, tested.stdout + tested.stderr
    with Journal(ledger_url, MasterKey(os.urandom(32))) as journal:
        writing = Writing(journal)
        writing.write(an_id("order"), placed(), shipped(Units(1, 1)))
        position = writing.write(an_id("another"), placed("A-2"), shipped(Units(1, 2), shipment=SHIPMENTS[1]))
    following = subprocess.Popen(written("projection", "").split(), env=environment, stderr=subprocess.PIPE, text=True)
    try:
        with psycopg.connect(ledger_url, autocommit=True) as connection:
            assert _reached(connection, position)
            assert connection.execute(written("sql", "question").encode()).fetchall() == [("ups", 2)]
    finally:
        following.send_signal(signal.SIGTERM)
        said = following.communicate(timeout=20)[1]
    assert "following parcels version 1" in said


def _reached(connection: Connection[TupleRow], position: int) -> bool:
    until = time.monotonic() + 30
    while wait_for(connection, "parcels", position) != "reached":  # nobody follows until the process is up
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
