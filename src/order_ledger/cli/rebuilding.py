"""`projections rebuild`, `compare`, `swap` and `drop`: copies of a read model beside the one that is read."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from order_ledger.cli.answers import AsJson, Failed, answer_json, say
from order_ledger.cli.moments import AsOf, AsRecorded, AtPosition, moment_of
from order_ledger.following.asking import build_view, drop_view
from order_ledger.following.comparing import Comparison
from order_ledger.following.projections import find
from order_ledger.following.rebuilding import Phase, Rebuilt, Told, compare_copies, rebuild
from order_ledger.following.swapping import Differing, Pair, alone, choose_side, drop
from order_ledger.journal.migrations import migrate
from order_ledger.postgres import server_for
from order_ledger.processes import exit_on_sigterm
from order_ledger.settings import Settings

Name = Annotated[str, typer.Argument(help="The read model, such as order_status.")]
Jobs = Annotated[int | None, typer.Option(min=1, max=64, help="Processes that fold; as many as cores, unless said.")]
Version = Annotated[int | None, typer.Option(min=1, help="Which of several copies.")]

_SAYS: dict[Phase, str] = {
    "fold": "folding",
    "index": "making indexes",
    "follow": "following what came since",
    "compare": "comparing",
}


def rebuild_projection(
    name: Name,
    jobs: Jobs = None,
    as_of: AsOf = None,
    as_recorded: AsRecorded = None,
    position: AtPosition = None,
    as_json: AsJson = False,
) -> None:
    """Make a read model anew from the whole journal, compare it with the one that is read, and swap them.

    The one that is read serves all the while. Both are followed afterwards: `swap --back` returns, `drop` drops the one
    that is not read. Where the same version comes to other rows, nothing is swapped, and they are named. Ctrl-C leaves
    nothing behind; what was killed goes on when it is run again.

    With --as-of, --as-recorded or --position it is made as of that moment, in a schema of its own, which stays until
    `drop` with the same moment. As of a time is what had happened by then, told until now; as recorded, what was known.
    """
    projection, at = find(name), moment_of(as_of, as_recorded, position)
    count = jobs or os.cpu_count() or 1
    if at is not None:
        with _done_or_failed(as_json) as (url, told):
            view = build_view(url, projection, at, jobs=count, told=told)
        if as_json:
            answer_json(view)
        else:
            say(f"{name} as of that moment is in {view.schema}, made of the journal up to position {view.position}.")
        return
    with _done_or_failed(as_json) as (url, told):
        began = time.monotonic()
        done = rebuild(url, projection, jobs=count, told=told)
    seconds = round(time.monotonic() - began, 3)
    if as_json:
        answer_json({**_document(done), "seconds": seconds})
        return
    say(f"{name} version {done.version} was rebuilt to position {done.folded_to} in {seconds:,.1f} s, and is read now.")
    if done.comparison is not None:
        _say_comparison(done.comparison)
    if done.side is not None:
        say(f"What was read before is followed in {done.side} until it is dropped.")


def compare_projection(name: Name, jobs: Jobs = None, as_json: AsJson = False) -> None:
    """Compare the copy that is read with the one beside it or, without one, with one rebuilt for that and dropped."""
    projection = find(name)
    with _done_or_failed(as_json) as (url, told):
        done = compare_copies(url, projection, jobs=jobs or os.cpu_count() or 1, told=told)
    if as_json:
        answer_json(_document(done))
    elif done.comparison is not None:
        _say_comparison(done.comparison)
    else:
        say(f"Nobody had followed {name}: there was nothing to compare with, and now it is built.")
    if done.comparison is not None and done.same_version and not done.comparison.equal:
        raise Failed(str(Differing(name, done.comparison, done.position)))


def swap_projection(
    name: Name,
    back: Annotated[bool, typer.Option("--back", help="To the copy that was read before.")] = False,
    version: Version = None,
    differing: Annotated[bool, typer.Option("--differing", help="Even where rows of the same version differ.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let the copy beside be read, and the one that is read be beside it. Nobody waits, and no time goes back."""
    projection = find(name)
    with _done_or_failed(as_json) as (url, _), alone(url, name) as connection:
        pair = Pair(url, connection, projection, choose_side(connection, name, version, back=back))
        done = pair.swap(differing=differing)
    if as_json:
        answer_json({"name": name, **msgspec.structs.asdict(done)})
        return
    say(f"{name} version {done.version} is read since position {done.position}; version {done.was} is in {done.side}.")
    _say_comparison(done.comparison)


def drop_projection(
    name: Name,
    version: Version = None,
    as_of: AsOf = None,
    as_recorded: AsRecorded = None,
    position: AtPosition = None,
    as_json: AsJson = False,
) -> None:
    """Drop a copy that is not read: the one beside, or the one as of a moment."""
    find(name)
    at = moment_of(as_of, as_recorded, position)
    with _done_or_failed(as_json) as (url, _), alone(url, name) as connection:
        dropped = drop(connection, name, version).schema if at is None else drop_view(connection, name, at)
    if dropped is None:
        raise Failed(f"{name} was not rebuilt as of that moment.")
    if as_json:
        answer_json({"dropped": dropped})
    else:
        say(f"dropped {dropped}")


@contextmanager
def _done_or_failed(as_json: bool) -> Iterator[tuple[str, Told]]:
    """The database's URL and who hears about progress; what goes wrong is said in one line."""
    exit_on_sigterm()
    try:
        with server_for(Settings()) as url, _progress() as told:
            migrate(url)
            yield url, told
    except Differing as error:
        if as_json:
            answer_json({"position": error.position, "swapped": False, "comparison": error.comparison})
        raise Failed(str(error)) from error
    except KeyboardInterrupt:
        raise Failed("cancelled; nothing is left behind") from None


def _document(done: Rebuilt) -> dict[str, Any]:
    return msgspec.structs.asdict(done)


def _say_comparison(found: Comparison) -> None:
    say(f"{found.rows} rows compared, {found.differing} differ")
    for row in found.first:
        key = ", ".join(f"{column} {value}" for column, value in row.key.items())
        say(f"  {row.table} {key}: " + (f"only in {row.only_in}" if row.only_in else ", ".join(row.columns)))
    for each in found.parked:
        say(f"  stream {each.stream} is parked at version {each.version} in {each.schema}")
    for stream in found.put_back:
        say(f"  stream {stream} was parked, and is put back")
    if found.not_compared:
        say(f"  not compared, for only one of them has it: {', '.join(found.not_compared)}")


@contextmanager
def _progress() -> Iterator[Told]:
    """A bar on stderr, which begins when there is something to tell: until then processes may be forked."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("folding", total=None)

    def told(phase: Phase, done: int, of: int) -> None:
        bar.start()
        bar.update(task, description=_SAYS[phase], completed=done, total=of or None)

    try:
        yield told
    finally:
        if bar.live.is_started:
            bar.stop()


COMMANDS: dict[str, Callable[..., None]] = {
    "rebuild": rebuild_projection,
    "compare": compare_projection,
    "swap": swap_projection,
    "drop": drop_projection,
}
