"""Variables of the environment outside `DatabaseSettings`, read in one way, and what each is for.

Spaces and line ends around a value do not count, and an empty one is none. What is secret may stand in a
file instead, named like the variable, in the folder that ``DEVMENTOR_SECRETS_DIR`` names; containers get
secrets in this way.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from devmentor_models.errors import ConfigurationError

PREFIX = "DEVMENTOR_"
SECRETS_VARIABLE = f"{PREFIX}SECRETS_DIR"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, as the documentation tells of it.

    Attributes:
        name: Its name.
        meaning: What it is for.
        default: What counts when it is missing.
    """

    name: str
    meaning: str
    default: str = ""


#: All but those of `DatabaseSettings`, in the order in which they are told of.
VARIABLES = (
    Variable(
        f"{PREFIX}ENCRYPTION_KEYS",
        "Keys of encrypted columns: base64 of 32 bytes each, separated by commas. The first one encrypts.",
        "Encrypted columns are refused",
    ),
    Variable(
        f"{PREFIX}ALLOW_PLAINTEXT",
        "1 where the network itself is trusted: `sslmode=disable` is then accepted for other machines.",
        "TLS is required",
    ),
    Variable(
        SECRETS_VARIABLE,
        "Folder of files, named like the variables in lower case, each with the value of one.",
        "No folder is read",
    ),
    Variable(
        f"{PREFIX}SCRATCH_URL",
        "Where to make scratch databases that migrations are tried in: the URL of an administrator.",
        "The database's own server for a superuser, else an embedded one",
    ),
    Variable(
        f"{PREFIX}EMBEDDED_DIR",
        "Folder of the embedded server.",
        "A folder of the user's",
    ),
    Variable(f"{PREFIX}QDRANT_URL", "The vector mirror that `devmentor-db sync-qdrant` writes to."),
    Variable(f"{PREFIX}QDRANT_API_KEY", "The key for it.", "It is called without"),
    Variable(
        f"{PREFIX}TEST_DATABASE_URL",
        "The server that tests use: a role that may create databases and roles.",
        "An embedded server",
    ),
)


def variable(name: str) -> str | None:
    """Return the value of a variable, or of the file of secrets that is named like it; None without one.

    Raises:
        ConfigurationError: ``DEVMENTOR_SECRETS_DIR`` names no folder, or the file cannot be read.
    """
    if value := os.environ.get(name, "").strip():
        return value
    folder = secrets_folder()
    if folder is None:
        return None
    try:
        return (folder / name.lower()).read_text().strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = type(error).__name__
        raise ConfigurationError(f"{name}: its file in {folder} cannot be read: {reason}") from None


def secrets_folder() -> Path | None:
    """Return the folder of files with secrets, if one is named.

    Raises:
        ConfigurationError: There is no such folder.
    """
    name = os.environ.get(SECRETS_VARIABLE, "").strip()
    if not name:
        return None
    folder = Path(name)
    if not folder.is_dir():
        raise ConfigurationError(f"{SECRETS_VARIABLE} names no folder that there is.")
    return folder
