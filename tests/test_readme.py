"""The README's tour, typed as it stands there, against a whole ledger started by `order-ledger up`."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.api.conftest import free_port

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
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
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
    left = subprocess.run(["pgrep", "-f", str(home)], capture_output=True, text=True, check=False).stdout
    assert left == "", f"processes are left: {left}"


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
    assert "order_status" in said[9]


def test_every_command_that_the_readme_names_exists() -> None:
    from order_ledger.cli import COMMANDS

    named = set(re.findall(r"order-ledger ([a-z]+)", (PROJECT / "README.md").read_text()))

    assert named
    assert named <= set(COMMANDS) | {"is"}, named - set(COMMANDS)
