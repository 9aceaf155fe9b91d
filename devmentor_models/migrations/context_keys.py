"""Bring the keys that sign contexts into a database, or take signing back (requirement Z1).

Done by whoever may migrate. The keys lie in a table that nobody has a grant on; they come and go together
with ``devmentor.signed()``, which the policies ask.
"""

from __future__ import annotations

from collections.abc import Sequence

from devmentor_models.errors import ConfigurationError
from devmentor_models.migrations import key_table
from devmentor_models.migrations.environment import make_engine, prepare_owner
from devmentor_models.security.signing import ContextKeys


def install(url: str, keys: ContextKeys) -> Sequence[str]:
    """Make the database accept contexts signed with one of ``keys``, and nothing else.

    Transactions that have begun before lose their rights, since they are not signed. Run again with the new
    key in front of the old one to change keys, and once more without the old one.

    Args:
        url: The database, for a login that may migrate.
        keys: The first one signs.

    Returns:
        The fingerprints of the keys.

    Raises:
        ConfigurationError: The database is at a revision that knows no signed contexts, or the login may
            not migrate.
    """
    _fill(url, keys)
    return [key.fingerprint() for key in keys.keys]


def remove(url: str) -> None:
    """Make the database believe every context again, and forget the keys.

    Args:
        url: The database, for a login that may migrate.

    Raises:
        ConfigurationError: The database is at a revision that knows no signed contexts, or the login may
            not migrate.
    """
    _fill(url, None)


def _fill(url: str, keys: ContextKeys | None) -> None:
    with make_engine(url).connect() as connection:
        if key_table.look(connection) is None:
            raise ConfigurationError(
                "This database knows no signed contexts yet: run devmentor-db upgrade first."
            )
        prepare_owner(connection)
    with make_engine(url, owner=True).begin() as connection:
        key_table.restore(connection)  # a dump may have left it out
        key_table.fill(connection, keys)
