"""What our SQL and psycopg depend on, held for a session whatever server, database and role say.

``ALTER DATABASE … SET`` and ``ALTER ROLE … SET`` reach every new session. These settings change what a
statement means or how its result reads, so sessions that migrate or work as the owner start with our values.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg.conninfo import conninfo_to_dict, make_conninfo

#: The encoding of both directions; a parameter of the connection, so that the environment does not win.
CLIENT_ENCODING = "UTF8"

#: How values are written and statements are read; services have these too, see `security.context`.
FORMATS: Mapping[str, str] = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
}
PINNED: Mapping[str, str] = {
    "search_path": "public",
    **FORMATS,
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
}


def with_options(info: str, settings: Mapping[str, str], defaults: Mapping[str, str] | None = None) -> str:
    """Return libpq's connection string with settings that the session starts with, and keeps after RESET ALL.

    Args:
        info: The connection string.
        settings: They win over its own ``options``, and `PINNED` where both say something.
        defaults: Its own ``options`` win over these.
    """
    given = str(conninfo_to_dict(info).get("options") or "")
    options = [*map(_option, (defaults or {}).items()), given, *map(_option, {**PINNED, **settings}.items())]
    return make_conninfo(info, options=" ".join(options), client_encoding=CLIENT_ENCODING)


def _option(setting: tuple[str, str]) -> str:
    name, value = setting
    escaped = value.replace("\\", "\\\\").replace(" ", "\\ ")
    return f"-c {name}={escaped}"
