"""Compare a database with the models, for ``revision --autogenerate`` and for ``devmentor-db check`` (M3)."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace

from alembic.operations import Operations
from alembic.operations.ops import MigrateOperation
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData

from devmentor_models.kit.objects import Extension, declared
from devmentor_models.migrations.catalog import Item, Key, Scope, Snapshot, read
from devmentor_models.migrations.catalog.roles import declared_roles, live_roles
from devmentor_models.migrations.compare import Change, changes
from devmentor_models.migrations.compare.renames import declared_renames, same_but_for_the_name, take_back
from devmentor_models.migrations.desired import built
from devmentor_models.migrations.operations import BothWays, NamedOperation
from devmentor_models.security.roles import Role


def compare(
    url: str, connection: Connection, metadata: MetaData, scope: Scope, *, scratch: str | None = None
) -> list[Change]:
    """Return what leads from a database to the models, in an order in which it can be done.

    Reads the live database's catalogs in one transaction of ``connection``; writes nothing there and takes no
    lock on a table. What the models declare is built in a scratch database.

    Args:
        url: The live database; its server or an embedded one of its version serves for the scratch database.
        connection: A connection to it; any role may read the catalogs.
        metadata: The models.
        scope: What of the database is ours.
        scratch: An empty database for what the models declare, left as it was; None for a new one.

    Raises:
        ConfigurationError: There is nowhere to make a scratch database.
        DeclarationInvalid: PostgreSQL refuses what the models declare.
    """
    return Models(metadata, scope, scratch=scratch).compare(url, connection)


class Models:
    """What the models declare, as a database that follows them has it; built when first asked for.

    Args:
        metadata: The models.
        scope: What of a database is ours.
        scratch: An empty database to build them in, left as it was; None for a new one.
    """

    def __init__(self, metadata: MetaData, scope: Scope, *, scratch: str | None = None) -> None:
        self._metadata = metadata
        self._scratch = scratch
        objects = declared(metadata)
        self._roles = [item for item in objects if isinstance(item, Role)]
        self._tolerated = {item.name for item in objects if isinstance(item, Extension) and not item.required}
        schemas = {table.schema for table in metadata.tables.values() if table.schema}
        self._scope = replace(scope, schemas=tuple(sorted({*scope.schemas, *schemas})))
        self._known: Snapshot | None = None

    def compare(self, url: str, connection: Connection) -> list[Change]:
        """Return what leads from a database to the models; see `compare`."""
        live = read(connection, self._scope)
        names = [role.name for role in self._roles]
        live = self._merged(live, live_roles(connection, names, self._scope.role_prefix))
        renames = declared_renames(self._metadata, live)
        if self._known and not renames and not same_but_for_the_name(live, self._known):
            return changes(self._as_chosen(live, self._known), self._known)
        scope = self._scope
        with built(self._metadata, connection, url=url, owner=scope.owner, scratch=self._scratch) as place:
            desired = self._known = self._read(place)
            if renames:
                take_back(place, renames)
                desired = self._read(place)
            if again := same_but_for_the_name(live, desired):
                take_back(place, again)
                desired = self._read(place)
        return [
            *changes(self._as_chosen(live, desired), desired),
            *(rename.change() for rename in (*again, *renames)),
        ]

    def _as_chosen(self, live: Snapshot, desired: Snapshot) -> Snapshot:
        """Return the live objects, with those that are the operator's choice as the models have them."""
        chosen = {
            key: desired[key]
            for key in live
            if f"{key.schema}.{key.name}" in self._scope.switches
            and key.kind == "function"
            and key in desired
        }
        return Snapshot({**live, **chosen})

    def _read(self, scratch: Connection) -> Snapshot:
        return self._merged(read(scratch, self._scope), declared_roles(self._roles))

    def _merged(self, snapshot: Snapshot, roles: Iterable[Item]) -> Snapshot:
        """Return the snapshot with the roles, without the extensions that may be there or not."""
        made: dict[Key, Item] = {
            key: item
            for key, item in snapshot.items()
            if not (key.kind == "extension" and key.name in self._tolerated)
        }
        made.update({item.key: item for item in roles})
        return Snapshot(made)


def lines(found: list[Change]) -> list[str]:
    """Return a line for each difference, with the SQL that removes it; what only makes way is left out."""
    steps: dict[Key, list[Change]] = {}
    for change in found:  # what is made anew is dropped at one place and created at another
        steps.setdefault(change.key, []).append(change)
    return [
        f"{whole[0]}. Fix: {' '.join(sql(change.operations) for change in whole)}"
        for whole in steps.values()
        if not whole[0].because
    ]


def script(found: list[Change]) -> list[str]:
    """Return the statements that remove all differences, in an order in which they can be run."""
    return [
        statement
        for change in found
        for operation in change.operations
        for statement in _statements(operation)
    ]


def sql(operations: list[MigrateOperation]) -> str:
    """Return the SQL of operations, in one line."""
    statements = (statement for operation in operations for statement in _statements(operation))
    return " ".join(f"{' '.join(statement.split())};" for statement in statements)


def _statements(operation: MigrateOperation) -> list[str]:
    """Return the statements of an operation, Alembic's or ours."""
    if isinstance(operation, NamedOperation):
        return operation.statements()
    if isinstance(operation, BothWays):
        return [statement for step in operation.there for statement in _statements(step)]
    buffer = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        # Named parameters: with psycopg's own style percent signs would be doubled.
        dialect_opts={"paramstyle": "named"},
        opts={"as_sql": True, "output_buffer": buffer, "literal_binds": True},
    )
    Operations(context).invoke(operation)
    # Alembic ends each statement with a semicolon and an empty line.
    return [statement for part in buffer.getvalue().split(";\n\n") if (statement := part.strip())]
