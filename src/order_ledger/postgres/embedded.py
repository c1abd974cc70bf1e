"""The PostgreSQL of a ledger's own.

It is started by the first process that needs it, shared by all that come while it runs, and stopped by
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

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from order_ledger.postgres.checking import CONNECT_TIMEOUT_S
from order_ledger.postgres.configuration import PORT, configuration
from order_ledger.postgres.errors import HomeUnusable, OtherVersion, ServerFailed
from order_ledger.postgres.files import REACHABLE, digest, flush, make_folder, open_lock, write
from order_ledger.postgres.programs import Programs
from order_ledger.postgres.system_user import SystemUser, user_name

DATABASE = "ledger"
USER = "ledger"

_START_TIMEOUT_S = 600
_STOP_TIMEOUT_S = 60
# How long a server killed in the middle of its work may take until its last process is gone.
_LEFTOVERS_TIMEOUT_S = 60
# The kernel keeps a socket's path in 108 bytes on Linux and in 104 elsewhere, the closing NUL included.
_LONGEST_SOCKET_PATH = 103
_LARGEST_LOG_BYTES = 10_000_000


@contextmanager
def embedded_postgres(home: Path, pg_bin: Path | None = None) -> Iterator[str]:
    """Give the URL of the database `ledger` in the ledger's own server, which runs for as long as anybody uses it.

    `home` is made if it is not there. `pg_bin` is the folder of the programs to run instead of those that would be
    found. A process that forks while it holds this shares one lease with its children: let them ask for their own.
    Raises a `ServerError` that says what to do.
    """
    server = _Server.of(home, pg_bin)
    with server.start_lock() as lock:
        lease = open_lock(server.place / "lease.lock")
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


def _alone(lease: int) -> bool:
    """Tell whether nobody else uses the server; while the start lock is held nobody can come."""
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True)
class _Server:
    """A server in its place: how to start it, reach it and stop it. Every change needs the start lock."""

    home: Path
    place: Path
    account: SystemUser
    pg_bin: Path | None

    @staticmethod
    def of(home: Path, pg_bin: Path | None) -> "_Server":
        """Find the place of this home's server, and make it."""
        root = os.geteuid() == 0
        try:
            # A server that runs as another user has to pass through; what is secret in here has rights of its own.
            home.mkdir(mode=0o711 if root else 0o700, parents=True, exist_ok=True)
            home = home.resolve(strict=True)
            account = SystemUser.to_start_as()
            place = _place(home, account)
            make_folder(place, mode=0o711 if root else 0o700)
            if (place / "data").exists():
                owner = (place / "data").stat()
                if not root and owner.st_uid != account.uid:
                    raise HomeUnusable(
                        home, f"its data belongs to the user {user_name(owner.st_uid)}; start it as that user"
                    )
                account = SystemUser(owner.st_uid, owner.st_gid)
        except OSError as error:
            raise HomeUnusable(home, error.strerror or str(error)) from error
        return _Server(home, place, account, pg_bin)

    @contextmanager
    def start_lock(self) -> Iterator[int]:
        """Be the only one who starts or stops the server."""
        lock = open_lock(self.place / "start.lock")
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
        return Path("/tmp") / f"order-ledger-{digest(self.place)}"

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@/{DATABASE}?host={quote(os.fsencode(self.socket_folder), safe='')}&port={PORT}"

    def _to(self, database: str) -> str:
        return make_conninfo(
            host=str(self.socket_folder), port=PORT, user=USER, dbname=database, connect_timeout=CONNECT_TIMEOUT_S
        )

    def start(self, start_lock: int) -> None:
        """Have the server running and its database there, whatever state it was left in."""
        try:
            # Before anybody is asked there: it may be a folder of somebody else, with a server of theirs.
            self._make_private(self.socket_folder)
            if self._answer() is not pq.Ping.OK:
                programs = Programs.find(self.account, self.pg_bin)
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
        pg_ctl = Programs.find(self.account, self.pg_bin).folder / "pg_ctl"
        for mode in ("fast", "immediate"):
            command = [pg_ctl, "stop", "-s", "-w", "-t", str(_STOP_TIMEOUT_S), "-m", mode, "-D", "data"]
            if self.account.run(command, self.place).returncode == 0:
                break
        if self.socket_folder.parent != self.place:
            with suppress(OSError):
                self.socket_folder.rmdir()

    def _answer(self) -> pq.Ping:
        return pq.Ping(pq.PGconn.ping(os.fsencode(self._to("postgres"))))

    def _prepare(self, programs: "Programs", start_lock: int) -> None:
        if not self.account.may_use(self.place):
            raise HomeUnusable(
                self.home, f"PostgreSQL runs as the user {user_name(self.account.uid)}, who may not enter {self.place}"
            )
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs, start_lock)
        written_by = (self.data / "PG_VERSION").read_text().strip()
        if written_by != str(programs.major):
            raise OtherVersion(self.data, written_by, programs.major)
        _remove_stale_pid_file(self.data / "postmaster.pid")
        self._make_private(self.log.parent)
        write(self.place / "server.conf", configuration(self.socket_folder), mode=0o644)
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))

    def _initialise(self, programs: "Programs", start_lock: int) -> None:
        """Make the data, beside its final name, so that a crash half way leaves nothing that looks like data.

        initdb holds the start lock too: if we are killed, whoever comes next waits until it is through.
        """
        unfinished = self.place / "data.unfinished"
        for locale in programs.locales():
            shutil.rmtree(unfinished, ignore_errors=True)
            self._make_private(unfinished)
            command = [programs.folder / "initdb", "-D", unfinished.name, "-U", USER, *locale]
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
            write(
                self.home / "postgres.where",
                f"{self.place}\n\nThe data of this ledger's PostgreSQL is in the folder named above, because\n"
                f"PostgreSQL does not run as root and its user may not enter this one. A backup needs both.\n",
                mode=0o644,
            )
        unfinished.rename(self.data)
        flush(self.place)

    def _start(self, programs: "Programs") -> None:
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
        make_folder(folder, mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
            raise HomeUnusable(self.home, f"{folder} is there already and is not a folder for the server alone")
        if found.st_uid == os.geteuid() != self.account.uid:
            os.chown(folder, self.account.uid, self.account.gid, follow_symlinks=False)
        elif found.st_uid != self.account.uid:
            raise HomeUnusable(self.home, f"{folder} is there already and belongs to {user_name(found.st_uid)}")


def _place(home: Path, account: SystemUser) -> Path:
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
    make_folder(REACHABLE, mode=0o755)
    return REACHABLE / digest(home)


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


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-20:])
