"""A page costs what it shows: however long a list is, a few rows are read for each one shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Table, text
from sqlalchemy.orm import Session

from benchmarks.plans import plans_of
from devmentor_models import Actor, Database
from devmentor_models.kit.keys import generate_key
from devmentor_models.kit.pagination import Page
from devmentor_models.migrations import context_keys
from devmentor_models.security.declarations import Service
from devmentor_models.security.signing import ContextKeys
from devmentor_models.testing.databases import DatabaseServer
from devmentor_models.testing.factories import auth, learning, memory, projects
from devmentor_models.testing.factories.base import ModelFactory
from devmentor_models.transaction import Transaction
from tests.support.users import committed

ROWS, SHOWN = 3000, 20
#: Rows looked at for each one shown: in its table, and in those that decide whether it is shown.
LOOKED_AT = 8


@dataclass(frozen=True)
class List:
    """A list, and rows for it.

    Attributes:
        factory: Makes one row.
        method: Returns the method that reads a page of the list that the row is in.
        unlike: In what the other rows differ from it, by column: SQL over ``n``, their number.
    """

    factory: type[ModelFactory[Any]]
    method: Callable[[Transaction, Any], Callable[..., Page[Any]]]
    unlike: Mapping[str, str] = field(default_factory=dict)


HASH = "sha256(n::text::bytea)"
CREATED = {"created_at": "created_at + n * interval '1 s'"}
LISTS = {
    "projects": List(projects.ProjectFactory, lambda tx, _: tx.projects.list, {"slug": "'slug-' || n"}),
    "credits": List(
        projects.CreditEntryFactory, lambda tx, row: partial(tx.projects.credit_history, row.project_id)
    ),
    "templates": List(
        projects.ProjectTemplateFactory, lambda tx, _: tx.templates.list, {"slug": "'slug-' || n"}
    ),
    "epics": List(
        projects.EpicFactory, lambda tx, row: partial(tx.epics.list, row.project_id), {"position": "n"}
    ),
    "tasks": List(
        projects.TaskFactory, lambda tx, row: partial(tx.tasks.list, row.project_id), {"position": "n"}
    ),
    "files": List(
        projects.ProjectFileFactory,
        lambda tx, row: partial(tx.files.list, row.project_id),
        {"path": "'path/' || n"},
    ),
    "collaborators": List(
        projects.ProjectCollaboratorFactory,
        lambda tx, row: partial(tx.collaborators.list, row.project_id),
        {"member_id": "uuidv7()"},
    ),
    "versions": List(
        projects.ProjectFileVersionFactory,
        lambda tx, row: partial(tx.files.history, row.file_id),
        {"number": "n + 1", "sha256": HASH},
    ),
    "activity": List(projects.ActivityFactory, lambda tx, _: tx.activity.timeline, CREATED),
    "activity of a project": List(
        projects.ActivityFactory,
        lambda tx, row: partial(tx.activity.timeline, project_id=row.project_id),
        CREATED,
    ),
    "sessions": List(auth.UserSessionFactory, lambda tx, _: tx.sessions.list_active, {"token_hash": HASH}),
    "members": List(
        auth.TeamMemberFactory,
        lambda tx, row: partial(tx.teams.members, row.team_id),
        {"member_id": "uuidv7()"},
    ),
    "teams": List(auth.TeamFactory, lambda tx, _: tx.teams.list, {"name": "'one of many ' || n"}),
    "changes": List(
        auth.AuditEntryFactory,
        lambda tx, _: tx.audit_log.changes,
        {"event": "(ARRAY['insert', 'update', 'delete']::auth.audit_event[])[1 + n % 3]", **CREATED},
    ),
    "events": List(
        auth.AuditEntryFactory,
        lambda tx, _: tx.audit_log.timeline,
        {"event": "(enum_range('login'::auth.audit_event, NULL))[1 + n % 8]", **CREATED},
    ),
    "roadmaps": List(learning.RoadmapFactory, lambda tx, _: tx.roadmaps.list),
    "roadmaps of a project": List(
        learning.RoadmapFactory, lambda tx, row: partial(tx.roadmaps.list, project_id=row.project_id)
    ),
    "assessments": List(learning.AssessmentFactory, lambda tx, _: tx.assessments.list),
    "recommendations": List(
        learning.RecommendationFactory,
        lambda tx, _: tx.recommendations.list_open,
        {"target": "'target ' || n"},
    ),
    "documents of a project": List(
        memory.DocumentFactory,
        lambda tx, row: partial(tx.documents.list, project_id=row.project_id),
        {"content_hash": HASH, "source_uri": "NULL"},
    ),
    "documents": List(
        memory.DocumentFactory, lambda tx, _: tx.documents.list, {"content_hash": HASH, "source_uri": "NULL"}
    ),
    "chunks": List(
        memory.ChunkFactory,
        lambda tx, row: partial(tx.documents.chunks_of, row.document_id),
        {"ordinal": "n"},
    ),
    "searches": List(memory.SearchEntryFactory, lambda tx, _: tx.search_history.list),
}


@pytest.mark.parametrize("signed", [False, True])
def test_no_more_is_read_than_a_page_needs(
    devmentor_server: DatabaseServer, devmentor_database_url: str, signed: bool
) -> None:
    """Neither for the first page nor for the next, whatever policies there are."""
    rows = committed(devmentor_database_url, insert)
    key = generate_key()
    if signed:
        context_keys.install(devmentor_database_url, ContextKeys.from_text(key))
    read: dict[str, int] = {}
    roles = [f"devmentor_{service}" for service in Service]
    with (
        devmentor_server.login(devmentor_database_url, *roles) as url,
        Database.from_url(url, pool_min=0, context_key=key if signed else None) as database,
    ):
        for name, one in LISTS.items():
            read |= {f"{name}, page {number}": count for number, count in pages(database, one, rows[name])}
    assert {page: count for page, count in read.items() if count > LOOKED_AT * SHOWN} == {}


def insert(session: Session) -> dict[str, Any]:
    """Insert the rows of all lists; return one of each."""
    rows = {name: many(session, one) for name, one in LISTS.items()}
    session.execute(text("ANALYZE"))
    session.expunge_all()
    return rows


def many(session: Session, one: List) -> Any:
    """Insert one row of a list, and its likes; return it."""
    row = one.factory.insert(session)
    table: Table = row.__table__
    names: list[str] = [column.name for column in table.columns if column.computed is None]
    unlike = {"id": "uuidv7()", **one.unlike}
    sql = (
        f"INSERT INTO {table} ({', '.join(names)})"
        f" SELECT {', '.join(unlike.get(name, name) for name in names)}"
        f" FROM {table}, generate_series(1, {ROWS}) AS n WHERE id = :id"
    )
    session.execute(text("SET LOCAL session_replication_role = replica"))  # nothing follows from these rows
    session.execute(text(sql), {"id": row.id})
    session.execute(text("SET LOCAL session_replication_role = origin"))
    return row


def pages(database: Database, one: List, row: Any) -> Iterator[tuple[int, int]]:
    """Yield how many rows the first page looks at, and the second."""
    cursor = None
    for number in (1, 2):
        page, looked_at = read_page(database, one, row, cursor)
        assert len(page.items) == SHOWN
        yield number, looked_at
        cursor = page.next_cursor


def read_page(database: Database, one: List, row: Any, cursor: str | None) -> tuple[Page[Any], int]:
    """Return a page, and how many rows its statements look at."""
    found: list[Page[Any]] = []
    with database.begin(Actor.user(row.user_id)) as tx:
        method = one.method(tx, row)
        plans = plans_of(tx, lambda _: found.append(method(cursor=cursor, limit=SHOWN)))
    return found[0], sum(plan.looked_at for plan in plans)
