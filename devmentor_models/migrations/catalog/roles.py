"""Roles: the server's, not a database's, so they are declared as values and compared by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, text

from devmentor_models.migrations.catalog.item import Item, Key
from devmentor_models.security.roles import Role

_LIVE = """
SELECT r.rolname, r.rolcanlogin, r.rolsuper, r.rolbypassrls, r.rolcreatedb, r.rolcreaterole, r.rolreplication,
    ARRAY(SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
        WHERE m.member = r.oid ORDER BY 1),
    (SELECT s.setconfig FROM pg_db_role_setting s WHERE s.setrole = r.oid AND s.setdatabase = 0)
FROM pg_roles r WHERE r.rolname = ANY(:names) OR starts_with(r.rolname, :prefix)
"""
_ATTRIBUTES = ("LOGIN", "SUPERUSER", "BYPASSRLS", "CREATEDB", "CREATEROLE", "REPLICATION")


def declared_roles(roles: Iterable[Role]) -> Iterator[Item]:
    """Yield the declared roles as parts."""
    for role in roles:
        switches = [word in role.options for word in _ATTRIBUTES]
        yield _item(role.name, switches, list(role.memberships), dict(role.settings))


def live_roles(connection: Connection, names: list[str], prefix: str | None) -> Iterator[Item]:
    """Yield the server's roles of these names, and those whose names begin with the prefix, as parts."""
    parameters = {"names": names, "prefix": prefix}  # nothing begins with NULL
    for name, *switches, groups, settings in connection.execute(text(_LIVE), parameters):
        pairs = (setting.split("=", 1) for setting in settings or ())
        yield _item(name, switches, list(groups), dict(pairs))


def _item(name: str, switches: Iterable[bool], groups: list[str], settings: dict[str, str]) -> Item:
    words = [word if on else f"NO{word}" for word, on in zip(_ATTRIBUTES, switches, strict=True)]
    state = {"options": " ".join(words), "member_of": sorted(groups), "settings": settings}
    needs = frozenset(Key("role", "", "", group) for group in groups)
    return Item(Key("role", "", "", name), state, needs)
