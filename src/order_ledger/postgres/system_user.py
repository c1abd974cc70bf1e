"""Who the server runs as."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from order_ledger.postgres.errors import NoPrograms


@dataclass(frozen=True)
class SystemUser:
    """The user of the machine that the server runs as. PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    @staticmethod
    def to_start_as() -> "SystemUser":
        """Ourselves, or, when we are root, a user who may do nothing else."""
        if os.geteuid() != 0:
            return SystemUser(os.geteuid(), os.getegid())
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return SystemUser(entry.pw_uid, entry.pw_gid)
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


def user_name(uid: int) -> str:
    """What the machine calls this user, or their number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
