"""The key of an embedded server's encrypted columns, kept beside its cluster."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from devmentor_models.errors import ConfigurationError
from devmentor_models.kit.encryption import KEYS_VARIABLE, KeyRing
from devmentor_models.kit.variables import variable

NAME = "encryption-key"


def provide(directory: Path) -> tuple[Path | None, bool]:
    """Put a key into this process's environment unless there is one: the stored one, or a new one.

    Returns:
        The file that holds it, None when the environment had one; and whether it was made just now.

    Raises:
        ConfigurationError: The file is not ours alone.
    """
    if variable(KEYS_VARIABLE):
        return None, False
    path = directory / NAME
    made = _make(path)
    os.environ[KEYS_VARIABLE] = _read(path)
    return path, made


def _make(path: Path) -> bool:
    """Make the file with a fresh key unless there is one."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as file:
        file.write(KeyRing.generate() + "\n")
    return True


def _read(path: Path) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    with os.fdopen(handle) as file:
        status = os.fstat(handle)
        # The server's own account could have placed it, where that is not ours.
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise ConfigurationError(f"{path} must belong to us and be readable by us alone (mode 0600)")
        return file.read().strip()
