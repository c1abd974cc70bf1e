"""Commands as people and scripts type them: each a process of its own, with what it prints and how it ends.

A process takes a second or two to import what it needs, and there are hundreds of them. So one process per worker has
imported all of it, has no other thread and runs nothing; every command is a fork of it.
"""

import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from order_ledger.cli import COMMANDS, main

_SECONDS = 100
_starting = multiprocessing.get_context("forkserver")
_starting.set_forkserver_preload(sorted({f"order_ledger.cli.{place.partition(':')[0]}" for place in COMMANDS.values()}))


class Ran:
    """A command that ran to its end."""

    def __init__(self, url: str | None, *command: str, **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
        given = {"LEDGER_DATABASE_URL": url} if url is not None else {}
        whole = {**kept, **given, **environment, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            process = _starting.Process(target=_run, args=(command, whole, out.name, err.name))
            process.start()
            process.join(_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
                raise TimeoutError(f"order-ledger {' '.join(command)} is not done after {_SECONDS} s")
            assert process.exitcode is not None, "it ended"
            self.code = process.exitcode
            self.out, self.err = out.read().decode(), err.read().decode()

    @property
    def document(self) -> Any:
        """What stdout holds: one JSON document."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    def failed_saying(self, why: str, code: int = 1) -> None:
        assert (self.code, self.out) == (code, "")
        assert why in self.err
        assert "Traceback" not in self.err
        if code == 1:
            assert self.err.startswith("order-ledger: ")
            assert len(self.err.splitlines()) == 1


def _run(command: Sequence[str], environment: Mapping[str, str], out: str, err: str) -> None:
    """In the fork: what a shell does between fork and exec, and then the command."""
    for path, descriptor in ((os.devnull, 0), (out, 1), (err, 2)):
        file = os.open(path, os.O_RDWR)
        os.dup2(file, descriptor)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["order-ledger", *command]
    main()
