"""Keys that commands make: each in a file for us alone, and in the environment of the command."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from devmentor_models.errors import ConfigurationError
from devmentor_models.kit.encryption import KEYS_VARIABLE, KeyRing
from devmentor_models.kit.keys import generate_key
from devmentor_models.kit.variables import variable
from devmentor_models.security.signing import KEY_VARIABLE

ENCRYPTION_KEY = "encryption-key"
#: Named like the variable, so that DEVMENTOR_SECRETS_DIR finds it.
CONTEXT_KEY = KEY_VARIABLE.lower()


def provide_encryption_key(directory: Path) -> tuple[Path | None, bool]:
    """Put the key of an embedded server's encrypted columns into the environment; see `provide`."""
    return provide(directory / ENCRYPTION_KEY, KEYS_VARIABLE, KeyRing.generate)


def provide_context_key(directory: Path) -> tuple[Path | None, bool]:
    """Put the key that signs an embedded server's contexts into the environment; see `provide`."""
    return provide(context_key_of(directory), KEY_VARIABLE, generate_key)


def context_key_of(directory: Path) -> Path:
    """Return where the key that signs an embedded server's contexts is kept."""
    return directory / "secrets" / CONTEXT_KEY


def provide(path: Path, name: str, generate: Callable[[], str]) -> tuple[Path | None, bool]:
    """Put a secret into this process's environment unless there is one: the stored one, or a new one.

    Args:
        path: The file that keeps it.
        name: The variable.
        generate: Returns a fresh one.

    Returns:
        The file, None when the environment had one; and whether it was made just now.

    Raises:
        ConfigurationError: The file is not ours alone.
    """
    if variable(name):
        return None, False
    made = make(path, generate)
    os.environ[name] = _read(path)
    return path, made


def make(path: Path, generate: Callable[[], str]) -> bool:
    """Make a file with a fresh secret, for us alone, unless there is one; tell whether it was made.

    Raises:
        ConfigurationError: It cannot be made there.
    """
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be made: {error.strerror}") from None
    with os.fdopen(handle, "w") as file:
        file.write(generate() + "\n")
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
