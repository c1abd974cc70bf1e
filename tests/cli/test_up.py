"""The whole ledger from one command: with the demo in it, once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.api.conftest import await_answer, free_port
from tests.commands import Ran
from tests.waiting import until


@contextmanager
def up(url: str, home: Path, port: int, *options: str) -> Iterator[Path]:
    """`order-ledger up`, beside which this goes on once the door answers; what it says goes to a file."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    environment = {**kept, "LEDGER_DATABASE_URL": url, "LEDGER_HOME": str(home), "LEDGER_PORT": str(port)}
    said = home / "said"
    with said.open("w") as output:
        ledger = subprocess.Popen(
            [sys.executable, "-m", "order_ledger", "up", *options], env=environment, stdout=output, stderr=output
        )
    try:
        await_answer(f"http://127.0.0.1:{port}/healthz", ledger)
        yield said
    finally:
        ledger.send_signal(signal.SIGINT)
        ledger.wait(30)


def test_the_demo_comes_with_it_once(ledger_url: str, tmp_path: Path) -> None:
    port = free_port()
    with up(ledger_url, tmp_path, port, "--demo") as said:
        until(lambda: "Atelier Nord sells ROTOR-200" in said.read_text())
    with up(ledger_url, tmp_path, port, "--demo") as said:
        report = json.loads(Ran(ledger_url, "report", "status", "--json", LEDGER_HOME=str(tmp_path)).out)
        assert not any(line.startswith("demo ") for line in said.read_text().splitlines())
    assert report["orders"] == 5


def test_the_demo_waits_for_the_door_no_longer_than_it_is_told(ledger_url: str, tmp_path: Path) -> None:
    alone = {"LEDGER_HOME": str(tmp_path), "LEDGER_PORT": str(free_port())}
    Ran(ledger_url, "demo", "--wait", "0.3", **alone).failed_saying("Start it: order-ledger up")
