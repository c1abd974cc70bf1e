"""Many processes as one: started together, started again when they fall, and none of them left behind.

The supervisor holds one end of a pipe, its lifeline, and every child the other. Whatever way the supervisor ends, be
it by `kill -9`, the kernel closes its end, and that is what a child that called `exit_with_parent` waits for.
"""

import math
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import TextIO

# How a child learns of its lifeline: the number of the file, and which file it is. It is a word between the two, and
# not a setting: nobody sets it by hand.
_LIFELINE = "ORDER_LEDGER_LIFELINE"
_LONGEST_LINE_BYTES = 65_536


@dataclass(frozen=True)
class Child:
    """A command to keep running, under the name that its output gets."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it finds in its environment beside ours."""
    once: bool = False
    """It has an end, and is not started again, however it ended."""


@dataclass(frozen=True)
class Patience:
    """How long the supervisor waits, in seconds."""

    first_pause_s: float = 0.5
    """Before a child that ended is started again; twice as long each time."""
    longest_pause_s: float = 30.0
    steady_after_s: float = 60.0
    """A child that ran this long is well again, and its next pause is the first one."""
    grace_s: float = 10.0
    """Between being asked to end and being killed."""


def supervise(
    children: Sequence[Child], *, output: TextIO | None = None, patience: Patience = Patience()
) -> signal.Signals:
    """Keep the children running until SIGINT or SIGTERM comes, stop them all, and say which signal it was. One that is
    to run once is let go when it ends.

    Their output is printed line by line, as `name | text`. A second signal cuts the grace short. Only the main thread
    of a process can do this, because signals go there.
    """
    with _Supervisor(children, output or sys.stdout, patience) as supervisor:
        return supervisor.run()


def exit_with_parent(parent: int | None = None, *, grace_s: float = 10.0) -> None:
    """End this process when the one that started it has ended, whatever way it did.

    To be called at the start of every process that `supervise` runs; where nobody supervises, it does nothing. A
    process that starts processes of its own tells them its number, and they call this with it.

    It ends as by SIGTERM, so that what it holds is given back in order, and `grace_s` later by force.
    """
    # A parent that is named is nearer than the supervisor, whose lifeline we may have inherited.
    if parent is not None:
        gone = _orphaned(parent)
    elif (lifeline := _lifeline()) is not None:
        gone = _pipe_closed(lifeline)
    else:
        return
    threading.Thread(target=_end_after, args=(gone, grace_s), name="exit with parent", daemon=True).start()


def exit_on_sigterm() -> None:
    """Let SIGTERM end this process the way Ctrl-C does, from the inside out, so that what it holds is given back.

    Without it the process is gone at once, and an embedded server that it was the last to use would run on.
    """

    def leave(number: int, _: FrameType | None) -> None:
        # A second one must not interrupt the giving back.
        signal.signal(number, signal.SIG_IGN)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def _lifeline() -> int | None:
    """The inherited end of the pipe, if it is still that: a grandchild inherits the word but not always the file."""
    word = os.environ.get(_LIFELINE, "")
    number, _, identity = word.partition(":")
    with suppress(OSError, ValueError):
        if _identity(int(number)) == identity:
            return int(number)
    return None


def _identity(file: int) -> str:
    found = os.fstat(file)
    return f"{found.st_dev}.{found.st_ino}"


def _pipe_closed(lifeline: int) -> Callable[[], None]:
    def wait() -> None:
        os.read(lifeline, 1)  # Nothing is ever written: this returns when the other end is closed.

    return wait


def _orphaned(parent: int) -> Callable[[], None]:
    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)

    return wait


def _end_after(gone: Callable[[], None], grace_s: float) -> None:
    gone()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os._exit(1)


@dataclass
class _Running:
    """A child, and what the supervisor remembers of it."""

    child: Child
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    start_at: float = 0.0
    pause_s: float = 0.0
    unfinished_line: bytes = b""


class _Supervisor:
    def __init__(self, children: Sequence[Child], output: TextIO, patience: Patience) -> None:
        self._children = [_Running(child) for child in children]
        self._output = output
        self._patience = patience
        self._width = max((len(child.name) for child in children), default=0)
        self._signals: list[signal.Signals] = []
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> "_Supervisor":
        self._lifeline_child, self._lifeline_ours = os.pipe()
        return self

    def __exit__(self, *_: object) -> None:
        for running in self._children:
            if running.process is not None:
                self._end_group(running)
                running.process.wait()
                self._put_away(running)
        self._selector.close()
        os.close(self._lifeline_child)
        os.close(self._lifeline_ours)

    def run(self) -> signal.Signals:
        with self._listening():
            while not self._signals:
                for running in self._children:
                    self._look_after(running)
                self._print_what_comes(0.1)
            self._stop()
            return self._signals[0]

    @contextmanager
    def _listening(self) -> Iterator[None]:
        def note(number: int, _: FrameType | None) -> None:
            self._signals.append(signal.Signals(number))

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _look_after(self, running: _Running) -> None:
        now = time.monotonic()
        if running.process is None:
            if now >= running.start_at:
                self._start(running)
            return
        status = running.process.poll()
        if status is not None:
            self._end_group(running)
            self._put_away(running)
            if running.child.once:
                running.start_at = math.inf
                if status != 0:
                    self._print(running, _how_it_ended(status))
            else:
                self._pause(running, _how_it_ended(status), ran_s=now - running.started_at)

    def _start(self, running: _Running) -> None:
        lifeline = f"{self._lifeline_child}:{_identity(self._lifeline_child)}"
        running.started_at = time.monotonic()
        try:
            running.process = subprocess.Popen(
                running.child.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **running.child.environment, _LIFELINE: lifeline},
                pass_fds=(self._lifeline_child,),
                # The Ctrl-C of our terminal is for us alone: we ask each child to end, once.
                start_new_session=True,
            )
        except OSError as error:
            self._pause(running, f"could not be started: {error}", ran_s=0.0)
            return
        assert running.process.stdout is not None
        os.set_blocking(running.process.stdout.fileno(), False)
        self._selector.register(running.process.stdout, selectors.EVENT_READ, running)

    def _pause(self, running: _Running, why: str, ran_s: float) -> None:
        steady = ran_s >= self._patience.steady_after_s
        longer = self._patience.first_pause_s if steady or not running.pause_s else running.pause_s * 2
        running.pause_s = min(longer, self._patience.longest_pause_s)
        running.start_at = time.monotonic() + running.pause_s
        self._print(running, f"{why}; starting it again in {running.pause_s:g} s")

    def _stop(self) -> None:
        """Ask each to end, wait, and end by force what is left."""
        for running in self._children:
            if running.process is not None:
                with suppress(ProcessLookupError):
                    running.process.send_signal(signal.SIGTERM)
        asked = len(self._signals)
        deadline = time.monotonic() + self._patience.grace_s
        while time.monotonic() < deadline and len(self._signals) == asked:
            self._print_what_comes(0.05)
            for running in self._children:
                if running.process is not None and running.process.poll() is not None:
                    self._end_group(running)
                    self._put_away(running)
            if all(running.process is None for running in self._children):
                return

    def _end_group(self, running: _Running) -> None:
        """Kill a child, if it still runs, and all it has started: they are one group, numbered as the child."""
        assert running.process is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(running.process.pid, signal.SIGKILL)

    def _print_what_comes(self, timeout_s: float) -> None:
        if not self._selector.get_map():
            time.sleep(timeout_s)
            return
        for key, _ in self._selector.select(timeout_s):
            self._read(key.data)

    def _read(self, running: _Running) -> bool:
        """Print the lines that are there, and tell whether there may be more to come."""
        assert running.process is not None and running.process.stdout is not None
        try:
            chunk = os.read(running.process.stdout.fileno(), _LONGEST_LINE_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self._selector.unregister(running.process.stdout)
            return False
        *lines, rest = (running.unfinished_line + chunk).split(b"\n")
        if len(rest) >= _LONGEST_LINE_BYTES:
            lines, rest = [*lines, rest], b""
        running.unfinished_line = rest
        for line in lines:
            self._print(running, line.decode(errors="replace").rstrip("\r"))
        return True

    def _put_away(self, running: _Running) -> None:
        """Print the last words of a child that has ended, and forget its process."""
        assert running.process is not None and running.process.stdout is not None
        while running.process.stdout in self._selector.get_map() and self._read(running):
            pass
        if running.process.stdout in self._selector.get_map():
            self._selector.unregister(running.process.stdout)
        running.process.stdout.close()
        if running.unfinished_line:
            self._print(running, running.unfinished_line.decode(errors="replace"))
            running.unfinished_line = b""
        running.process = None

    def _print(self, running: _Running, text: str) -> None:
        # Whoever read our output may be gone; the children have better things to do than to stop for that.
        with suppress(BrokenPipeError):
            print(f"{running.child.name:<{self._width}} | {text}", file=self._output, flush=True)


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"ended with {status}"
    return f"was ended by {signal.Signals(-status).name}"
