"""Processes that are started together end together, whatever happens to any of them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

SUPERVISOR = """
import json, sys
from order_ledger.processes import Child, Patience, supervise
children = [Child(name, command, once=name == "once") for name, command in json.loads(sys.argv[1])]
with open(sys.argv[2], "w") as output:
    signal = supervise(children, output=output, patience=Patience(0.1, 0.4, 2.0, float(sys.argv[3])))
print("stopped by", signal.name)
"""

# Says its number, and lives until it is told to end.
STEADY = "import os, signal; print('up', os.getpid(), flush=True); signal.pause()"
FOLLOWING = "from order_ledger.processes import exit_with_parent; exit_with_parent(grace_s=0.5); " + STEADY
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
PARENT = """
import os, subprocess, sys
code = "import sys; from order_ledger.processes import exit_with_parent; exit_with_parent(int(sys.argv[1])); "
subprocess.Popen([sys.executable, "-c", code + sys.argv[1], str(os.getpid())])
"""


class Supervisor:
    """A supervisor in a process of its own, which is started the way `order-ledger up` starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def start(self, *children: tuple[str, str], grace_s: float = 10.0, arguments: tuple[str, ...] = ()) -> None:
        commands = [(name, [sys.executable, "-c", code, *arguments]) for name, code in children]
        self.start_commands(commands, grace_s)

    def start_commands(self, commands: list[tuple[str, list[str]]], grace_s: float = 10.0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, json.dumps(commands), str(self.folder / "output"), str(grace_s)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        output = self.folder / "output"
        return output.read_text() if output.exists() else ""

    def pids(self, name: str) -> list[int]:
        return [int(pid) for pid in re.findall(rf"^{name} *\| up (\d+)$", self.output, re.MULTILINE)]

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self) -> str:
        assert self.process is not None
        said, _ = self.process.communicate(timeout=20)
        return said.strip()


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path)
    yield supervisor
    assert supervisor.process is not None
    left = {int(pid) for pid in re.findall(r"up (\d+)", supervisor.output)}
    if supervisor.process.poll() is None:
        # One that has not said its number yet is not left behind either.
        left |= {child.pid for child in psutil.Process(supervisor.process.pid).children(recursive=True)}
    supervisor.process.kill()
    supervisor.process.communicate()
    for pid in left:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)


def eventually(condition: Callable[[], object], within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Nobody may be there to take note of the end of an orphan: a zombie has ended too."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all(supervisor: Supervisor, number: signal.Signals) -> None:
    supervisor.start(("one", STEADY), ("three", STEADY))
    eventually(lambda: supervisor.pids("one") and supervisor.pids("three"))
    supervisor.send(number)
    assert supervisor.ended() == f"stopped by {number.name}"
    assert all(gone(pid) for pid in supervisor.pids("one") + supervisor.pids("three"))


def test_output_bears_the_name_line_by_line(supervisor: Supervisor) -> None:
    code = "import sys; print('a\\nb', flush=True); sys.stderr.write('c'); sys.stdout.buffer.write(b'\\xff'); " + STEADY
    supervisor.start(("talker", code), ("b", STEADY))
    eventually(lambda: supervisor.pids("b") and "\ufffd" in supervisor.output)
    lines = supervisor.output.splitlines()
    assert "talker | a" in lines
    assert "talker | b" in lines
    assert f"b      | up {supervisor.pids('b')[0]}" in lines


def test_a_line_without_an_end_is_printed_in_parts(supervisor: Supervisor) -> None:
    supervisor.start(("endless", "print('x' * 200_000, end='', flush=True); " + STEADY))
    eventually(lambda: len(supervisor.output) > 100_000)


def test_the_last_words_of_one_that_falls_are_printed(supervisor: Supervisor) -> None:
    supervisor.start(("short", "import sys; sys.stderr.write('why'); sys.exit(3)"))
    eventually(lambda: "short | ended with 3; starting it again in 0.1 s" in supervisor.output)
    assert "short | why\n" in supervisor.output


def test_one_that_falls_is_started_again_after_growing_pauses(supervisor: Supervisor) -> None:
    supervisor.start(("short", "pass"), ("steady", STEADY))
    eventually(lambda: supervisor.output.count("in 0.4 s") >= 2)
    assert re.findall(r"again in (\S+) s", supervisor.output)[:4] == ["0.1", "0.2", "0.4", "0.4"]
    assert len(supervisor.pids("steady")) == 1


def test_one_that_ran_steadily_starts_with_the_first_pause_again(supervisor: Supervisor) -> None:
    supervisor.start(("slow", "import time; time.sleep(2.1)"))
    eventually(lambda: supervisor.output.count("starting it again") == 2)
    assert re.findall(r"again in (\S+) s", supervisor.output) == ["0.1", "0.1"]


def test_one_that_was_killed_is_started_again(supervisor: Supervisor) -> None:
    supervisor.start(("steady", STEADY))
    eventually(lambda: supervisor.pids("steady"))
    os.kill(supervisor.pids("steady")[0], signal.SIGKILL)
    eventually(lambda: len(supervisor.pids("steady")) == 2)
    assert "steady | was ended by SIGKILL" in supervisor.output


@pytest.mark.parametrize(("status", "said"), [(0, []), (3, ["ended with 3"])])
def test_one_that_is_to_run_once_is_let_go(supervisor: Supervisor, status: int, said: list[str]) -> None:
    supervisor.start(("once", f"import sys; sys.exit({status})"), ("short", "pass"))
    eventually(lambda: supervisor.output.count("short | ended with 0") >= 4)
    assert re.findall(r"once +\| (.*)", supervisor.output) == said


def test_a_command_that_is_not_there_is_said_and_tried_again(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start_commands([("absent", [str(tmp_path / "absent")])])
    eventually(lambda: supervisor.output.count("could not be started") >= 2)
    supervisor.send(signal.SIGTERM)
    assert supervisor.ended() == "stopped by SIGTERM"


def test_one_that_does_not_end_is_killed_after_the_grace(supervisor: Supervisor) -> None:
    supervisor.start(("stubborn", STUBBORN + STEADY + "; signal.pause()"), grace_s=0.5)
    eventually(lambda: supervisor.pids("stubborn"))
    supervisor.send(signal.SIGTERM)
    assert supervisor.ended() == "stopped by SIGTERM"
    assert gone(supervisor.pids("stubborn")[0])


def test_a_second_signal_ends_the_grace(supervisor: Supervisor) -> None:
    supervisor.start(("stubborn", STUBBORN + STEADY + "; signal.pause()"), grace_s=100)
    eventually(lambda: supervisor.pids("stubborn"))
    supervisor.send(signal.SIGINT)
    time.sleep(0.3)
    supervisor.send(signal.SIGINT)
    assert supervisor.ended() == "stopped by SIGINT"
    assert gone(supervisor.pids("stubborn")[0])


def test_what_a_child_has_started_ends_with_it(supervisor: Supervisor) -> None:
    supervisor.start(("parent", PARENT + STEADY), arguments=(STEADY,))
    eventually(lambda: len(supervisor.pids("parent")) == 2)
    supervisor.send(signal.SIGTERM)
    supervisor.ended()
    eventually(lambda: all(gone(pid) for pid in supervisor.pids("parent")))


def test_nobody_is_left_when_the_supervisor_is_killed(supervisor: Supervisor) -> None:
    supervisor.start(("one", FOLLOWING), ("two", FOLLOWING), ("stubborn", STUBBORN + FOLLOWING + "; signal.pause()"))
    eventually(lambda: all(supervisor.pids(name) for name in ("one", "two", "stubborn")))
    supervisor.send(signal.SIGKILL)
    supervisor.ended()
    eventually(lambda: all(gone(pid) for name in ("one", "two", "stubborn") for pid in supervisor.pids(name)))


def test_the_children_of_a_child_that_was_killed_follow_it(supervisor: Supervisor) -> None:
    alone = "import os; os.setsid(); " + STEADY
    supervisor.start(("parent", PARENT + STEADY), arguments=(alone,))
    eventually(lambda: len(supervisor.pids("parent")) == 2)
    first = supervisor.pids("parent")[:2]
    for pid in first:
        if psutil.Process(pid).parent().pid == supervisor.process.pid:  # type: ignore[union-attr]
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: all(gone(pid) for pid in first))


def test_where_nobody_supervises_nothing_is_followed() -> None:
    code = "import threading; from order_ledger.processes import exit_with_parent; exit_with_parent(); "
    code += "print(threading.active_count())"
    # The word of a supervisor whose pipe was not inherited, and whose number now is another file.
    environment = {**os.environ, "ORDER_LEDGER_LIFELINE": "0:1.1"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "1\n"
