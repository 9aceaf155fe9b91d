"""How commands end that could not do their work: one line on stderr, no traceback, no secrets."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from typer import Exit

#: Exit code of a command that failed; click itself uses 2 for a wrong command line.
FAILED = 1
#: The shell's code for a command that Ctrl-C ended.
INTERRUPTED = 130

_OLDER = "Is the database at this installation's revision? `devmentor-db current` says what to run."
#: What to say of a schema, table, column or function that is not there, and of a right that is missing.
_HINTS = {
    **dict.fromkeys(("3F000", "42P01", "42703", "42883"), _OLDER),
    "42501": (
        "Is this the login that migrates? For that one an administrator runs"
        " `devmentor-db bootstrap --login NAME`; a service's is a member of its role, and runs none of this."
    ),
}

_PASSWORD_IN_URL = re.compile(r"(?P<before>://[^\s/@:]*:)\S*(?=@)")
_PASSWORD_IN_CONNINFO = re.compile(r"(?P<before>\bpassword\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)")


def without_passwords(text: str) -> str:
    """Return ``text`` with the passwords of the URLs and connection strings in it blotted out.

    >>> without_passwords("postgresql://app:secret@db/devmentor")
    'postgresql://app:***@db/devmentor'
    """
    for pattern in (_PASSWORD_IN_URL, _PASSWORD_IN_CONNINFO):
        text = pattern.sub(r"\g<before>***", text)
    return text


def complain(message: str, program: str = "devmentor-db") -> None:
    """Print ``message`` on stderr."""
    print(f"{program}: {without_passwords(message)}", file=sys.stderr)  # noqa: T201 - the command's output


@contextmanager
def reported(program: str = "devmentor-db") -> Iterator[None]:
    """End the command with one line on stderr when something fails that is no mistake of this program.

    Args:
        program: What the line begins with.

    Raises:
        Exit: With code 1, or 130 after Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt:
        complain("interrupted", program)
        raise Exit(INTERRUPTED) from None
    except BrokenPipeError:  # whoever read has seen enough, as `head` does; at exit Python flushes once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Exit(FAILED) from None
    except Exception as error:
        message = _explain(error)
        if message is None:
            raise
        complain(message, program)
        raise Exit(FAILED) from None


def _explain(error: Exception) -> str | None:
    """Return what to tell about ``error``, or None when it is unexpected and needs its traceback."""
    import psycopg  # noqa: PLC0415 - loaded by whatever failed
    from alembic.util.exc import CommandError  # noqa: PLC0415 - likewise
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - likewise

    from devmentor_models import tls  # noqa: PLC0415 - likewise
    from devmentor_models.errors import DevMentorError  # noqa: PLC0415 - likewise

    if isinstance(error, DBAPIError) and isinstance(error.orig, Exception):
        return _explain(error.orig)
    if insecure := tls.explain(error):
        return str(insecure)
    if isinstance(error, psycopg.Error):
        said = _first_lines(error.diag.message_primary or str(error))
        return f"{said}. {_HINTS[error.sqlstate]}" if error.sqlstate in _HINTS else said
    if isinstance(error, CommandError | DevMentorError | OSError):
        return told(error)
    return None


def told(error: Exception) -> str:
    """Return an error's message, and the notes that somebody added on its way."""
    return " ".join([str(error), *getattr(error, "__notes__", ())])


def _first_lines(message: str) -> str:
    """Return libpq's message as one line, without its questions about the server."""
    lines = [line.strip() for line in message.splitlines()]
    return " ".join(line for line in lines if line and not line.endswith("?"))
