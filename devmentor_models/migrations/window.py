"""Write into the database which revisions it has and which code still works with it (DESIGN §5).

A wheel cannot know the revisions that were made after it. So the database tells: ``devmentor.revisions``
lists what was applied, in order, and for each revision the oldest one whose code still works once it is
applied. It is written in the transaction of the revision itself, and all roles may read it.

A revision says ``compatible_from: str = "0d1c…"`` when it ends the life of older code (a contract step).
One that says nothing keeps what the revision before it said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from devmentor_models.errors import SchemaMismatch, SchemaUnknown
from devmentor_models.kit.base import TECHNICAL_SCHEMA
from devmentor_models.security.roles import ROLES

TABLE = "revisions"
_FULL_NAME = f"{TECHNICAL_SCHEMA}.{TABLE}"

#: Every service reads it before it serves, whatever else its role may do; hence the grant.
CREATE = f"""
CREATE TABLE {_FULL_NAME} (
    revision text PRIMARY KEY,
    position integer NOT NULL UNIQUE,
    compatible_from text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE {_FULL_NAME}
    IS 'Applied revisions in order, each with the oldest one whose code still works with it';
GRANT SELECT ON {_FULL_NAME} TO {", ".join(role.name for role in ROLES)}
"""

_revisions = sa.table(
    TABLE,
    sa.column("revision", sa.Text()),
    sa.column("position", sa.Integer()),
    sa.column("compatible_from", sa.Text()),
    schema=TECHNICAL_SCHEMA,
)


@dataclass(frozen=True)
class AppliedRevision:
    """A revision of a line of them.

    Attributes:
        revision: Its id.
        compatible_from: The oldest revision whose code works with a database that is at this one.
    """

    revision: str
    compatible_from: str


def lineage(scripts: ScriptDirectory, revision: str | None) -> list[AppliedRevision]:
    """Return the revisions up to ``revision``, the oldest first.

    Raises:
        CommandError: A revision's ``compatible_from`` is not one of those up to it.
    """
    if revision is None:
        return []
    line: list[AppliedRevision] = []
    for script in reversed([*scripts.iterate_revisions(revision, "base")]):
        inherited = line[-1].compatible_from if line else script.revision
        declared = getattr(script.module, "compatible_from", inherited)
        if declared not in {script.revision, *(entry.revision for entry in line)}:
            raise CommandError(
                f"Revision {script.revision}: compatible_from is {declared!r}, neither it nor one before it"
            )
        line.append(AppliedRevision(script.revision, declared))
    return line


def own_line() -> list[AppliedRevision]:
    """Return the revisions that this installation carries, the oldest first."""
    from devmentor_models import migrate  # noqa: PLC0415 - migrate imports the environment, which imports this

    scripts = ScriptDirectory.from_config(migrate.config())
    return lineage(scripts, scripts.get_current_head())


def record(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Write what a step changed; Alembic calls this in the step's transaction (``on_version_apply``)."""
    if not heads:
        ctx.execute(f"DROP TABLE IF EXISTS {_FULL_NAME}")
        if ctx.as_sql and not step.is_stamp:  # a script ends here; otherwise the environment tidies up
            ctx.execute(f"DROP TABLE {TECHNICAL_SCHEMA}.{ctx.version_table}")
            ctx.execute(f"DROP SCHEMA {TECHNICAL_SCHEMA}")
        return
    (head,) = heads  # the revisions form one line
    line = lineage(_scripts(ctx), head)
    if _is_missing(ctx, step):
        ctx.execute(CREATE)
        _insert(ctx, line, 0)
    elif step.is_stamp:
        ctx.execute(_revisions.delete())
        _insert(ctx, line, 0)
    elif step.is_upgrade:
        _insert(ctx, line, len(line) - 1)
    else:
        ctx.execute(_revisions.delete().where(_revisions.c.revision == step.up_revision_id))


def mismatch(ctx: MigrationContext) -> SchemaMismatch | None:
    """Return what is wrong with a database at a revision that this installation does not have; else None."""
    scripts, found = _scripts(ctx), ctx.get_current_revision()
    own = [script.revision for script in scripts.walk_revisions()]
    if found is None or found in own or ctx.connection is None:
        return None
    if own[0] not in ctx.connection.scalars(sa.select(_revisions.c.revision)):
        return SchemaUnknown(found, own[0])
    ahead = SchemaMismatch(found, own[0])
    ahead.add_note(f"Migrate it with the devmentor-models release that has {found}.")
    return ahead


def _scripts(ctx: MigrationContext) -> ScriptDirectory:
    environment = ctx.environment_context
    if environment is None:
        raise CommandError("Revisions can be applied by Alembic's environment only")
    return environment.script


def _is_missing(ctx: MigrationContext, step: MigrationInfo) -> bool:
    """Look for the table; a database from before it gets it with the next step. A script cannot look."""
    if ctx.as_sql:
        return step.is_upgrade and not step.down_revision_ids
    connection = ctx.connection
    return connection is not None and not connection.scalar(
        sa.text("SELECT to_regclass(:name) IS NOT NULL"), {"name": _FULL_NAME}
    )


def _insert(ctx: MigrationContext, line: Sequence[AppliedRevision], start: int) -> None:
    rows = [
        {"position": position, "revision": entry.revision, "compatible_from": entry.compatible_from}
        for position, entry in enumerate(line)
    ]
    ctx.execute(_revisions.insert().values(rows[start:]))
