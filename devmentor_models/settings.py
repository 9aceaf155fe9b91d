"""Settings from ``DEVMENTOR_*`` variables (DESIGN §6, requirements P8, Z3)."""

from __future__ import annotations

import re
from typing import Any, Self

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from devmentor_models.errors import ConfigurationError
from devmentor_models.kit.variables import PREFIX, secrets_folder
from devmentor_models.security.signing import ContextKey, signing_key
from devmentor_models.tls import secure

#: After how long a network that has gone silent counts as a lost connection: 25 seconds, which the URL may
#: change. An idle connection is probed after 10 of them, and three times.
_SILENCE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}


class DatabaseSettings(BaseSettings):
    """How to reach the database, and how many connections to keep.

    Spaces and line ends around a value do not count, and an empty one is missing. A file of the folder that
    ``DEVMENTOR_SECRETS_DIR`` names, called like the variable in lower case, may hold it instead.

    Attributes:
        database_url: ``postgresql://user:password@host:port/database``; never printed.
        pool_min: Connections kept open while idle.
        pool_max: Connections at most; 20 by the seed.
        pool_idle_seconds: After how long an idle connection above the minimum is closed.
        pool_timeout_seconds: How long to wait for a free connection before `PoolTimeout`.
        connect_timeout_seconds: How long to wait for the server to answer a new connection.
        prepared_statements: Whether statements that come again are prepared. By itself, where a connection
            has its server process for itself; true also behind a pooler that knows its clients' statements,
            such as PgBouncer from 1.22 on with ``max_prepared_statements``.
        application_name: Shown in ``pg_stat_activity``.
        context_key: Signs the actor of each transaction; see `devmentor_models.security.signing`.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")

    database_url: SecretStr
    pool_min: int = Field(default=2, ge=0)
    pool_max: int = Field(default=20, ge=1)
    pool_idle_seconds: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    pool_timeout_seconds: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    connect_timeout_seconds: int = Field(default=5, ge=1)
    prepared_statements: bool | None = None
    application_name: str = "devmentor"
    context_key: SecretStr | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Strip texts, and leave out what is empty then: it is missing, or has its default."""
        plain = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in values.items()
        }
        stripped = {name: value.strip() if isinstance(value, str) else value for name, value in plain.items()}
        return {name: value for name, value in stripped.items() if value != ""}

    @classmethod
    def load(cls, **values: object) -> Self:
        """Read the environment; ``values`` win over it.

        Raises:
            ConfigurationError: A setting is missing or not valid; names the variable, not the value.
        """
        if unknown := values.keys() - cls.model_fields.keys():
            raise ConfigurationError(f"There is no setting {', '.join(sorted(unknown))}.")
        try:
            given: dict[str, Any] = {"_secrets_dir": secrets_folder(), **values}
            return cls(**given)
        except ValidationError as error:
            raise ConfigurationError("; ".join(_problem(item) for item in error.errors())) from None

    @model_validator(mode="after")
    def _fewer_than_most(self) -> Self:
        """Refuse a minimum above the maximum where both were given; a default gives way."""
        if {"pool_min", "pool_max"} <= self.model_fields_set and self.pool_min > self.pool_max:
            raise ValueError(f"{PREFIX}POOL_MIN is more than {PREFIX}POOL_MAX")
        return self

    def signing_key(self) -> ContextKey | None:
        """Return the key that signs contexts; None where they are not signed.

        Raises:
            ConfigurationError: It is not a key.
        """
        return signing_key(self.context_key.get_secret_value() if self.context_key else None)

    def conninfo(self) -> str:
        """Return libpq's connection string, with TLS required for any host that is not this machine."""
        return conninfo(
            self.database_url.get_secret_value(),
            connect_timeout=self.connect_timeout_seconds,
            application_name=self.application_name,
            **_SILENCE,
        )


def _problem(item: ErrorDetails) -> str:
    """Return what is wrong with a setting, by the variable's name, or with several."""
    said = item["msg"].removeprefix("Value error, ")
    return f"{PREFIX}{'_'.join(map(str, item['loc'])).upper()}: {said}" if item["loc"] else said


def conninfo(url: str, **defaults: str | int) -> str:
    """Return libpq's connection string for a URL in libpq's or SQLAlchemy's form.

    ``sslmode`` is ``verify-full`` unless the URL says otherwise or the server is on this machine; see `tls`.

    Raises:
        ConfigurationError: The URL is empty, cannot be read, or asks for plaintext to another machine. It is
            not quoted, since it may hold a password.

    >>> conninfo("postgresql+psycopg://app@db.example/devmentor")
    'user=app dbname=devmentor host=db.example sslmode=verify-full'
    """
    scheme, _, rest = url.strip().partition("://")
    if not scheme:
        raise ConfigurationError("The database URL is empty.")
    if _misread(rest):
        raise ConfigurationError(
            "The database URL cannot be read: in a name or password, @ is written %40, and / is written %2F."
        )
    plain = f"{scheme.partition('+')[0]}://{rest}" if rest else scheme
    try:
        parts = conninfo_to_dict(plain)
    except Exception:  # noqa: BLE001 - psycopg's message quotes the URL, which may hold a password
        raise ConfigurationError(f"The database URL cannot be read{_unknown(rest)}.") from None
    for name, value in defaults.items():
        parts.setdefault(name, value)
    given = {name: str(value) for name, value in parts.items() if value is not None}
    return make_conninfo("", **secure(given))


def _misread(rest: str) -> bool:
    """Tell whether libpq takes a part of the password for the host or the database, and would tell it."""
    authority, _, path = rest.partition("?")[0].partition("/")
    return authority.count("@") > 1 or "@" in path


def _unknown(rest: str) -> str:
    """Name the parameters of a URL that libpq does not have; their values are not told."""
    # Behind the last @: before that, a question mark belongs to the password.
    query = rest.rpartition("@")[2].partition("?")[2]
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    names = [part.partition("=")[0] for part in query.split("&")]
    unknown = [name for name in names if name not in known and re.fullmatch(r"\w{1,40}", name)]
    return f": libpq has no parameter {', '.join(unknown)}" if unknown else ""
