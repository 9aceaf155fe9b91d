"""A page costs what it shows: however long a list is, a few rows are read for each one shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection, Table, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database
from devmentor_models.kit.keys import generate_key
from devmentor_models.kit.pagination import Page
from devmentor_models.migrations import context_keys
from devmentor_models.security.declarations import Service
from devmentor_models.security.signing import ContextKeys
from devmentor_models.testing.databases import DatabaseServer
from devmentor_models.testing.factories import auth, learning, memory, projects
from devmentor_models.transaction import Transaction
from tests.support.users import committed

ROWS, SHOWN = 3000, 20
#: Rows looked at for each one shown: in its table, and in those that decide whether it is shown.
LOOKED_AT = 8


@dataclass(frozen=True)
class List:
    """A list, and rows for it.

    Attributes:
        make: Inserts one row.
        page: Reads a page of the list that the row is in.
        unlike: In what the other rows differ from it, by column: SQL over ``n``, their number.
    """

    make: Callable[[Session], Any]
    page: Callable[[Transaction, Any, str | None], Page[Any]]
    unlike: Mapping[str, str] = field(default_factory=dict)


HASH = "sha256(n::text::bytea)"
CREATED = {"created_at": "created_at + n * interval '1 s'"}
LISTS = {
    "projects": List(
        projects.ProjectFactory.insert,
        lambda tx, _, cursor: tx.projects.list(cursor=cursor, limit=SHOWN),
        {"slug": "'slug-' || n"},
    ),
    "credits": List(
        projects.CreditEntryFactory.insert,
        lambda tx, row, cursor: tx.projects.credit_history(row.project_id, cursor=cursor, limit=SHOWN),
    ),
    "templates": List(
        projects.ProjectTemplateFactory.insert,
        lambda tx, _, cursor: tx.templates.list(cursor=cursor, limit=SHOWN),
        {"slug": "'slug-' || n"},
    ),
    "epics": List(
        projects.EpicFactory.insert,
        lambda tx, row, cursor: tx.epics.list(row.project_id, cursor=cursor, limit=SHOWN),
        {"position": "n"},
    ),
    "tasks": List(
        projects.TaskFactory.insert,
        lambda tx, row, cursor: tx.tasks.list(row.project_id, cursor=cursor, limit=SHOWN),
        {"position": "n"},
    ),
    "files": List(
        projects.ProjectFileFactory.insert,
        lambda tx, row, cursor: tx.files.list(row.project_id, cursor=cursor, limit=SHOWN),
        {"path": "'path/' || n"},
    ),
    "collaborators": List(
        projects.ProjectCollaboratorFactory.insert,
        lambda tx, row, cursor: tx.collaborators.list(row.project_id, cursor=cursor, limit=SHOWN),
        {"member_id": "uuidv7()"},
    ),
    "versions": List(
        projects.ProjectFileVersionFactory.insert,
        lambda tx, row, cursor: tx.files.history(row.file_id, cursor=cursor, limit=SHOWN),
        {"number": "n + 1", "sha256": HASH},
    ),
    "activity": List(
        projects.ActivityFactory.insert,
        lambda tx, _, cursor: tx.activity.timeline(cursor=cursor, limit=SHOWN),
        CREATED,
    ),
    "activity of a project": List(
        projects.ActivityFactory.insert,
        lambda tx, row, cursor: tx.activity.timeline(project_id=row.project_id, cursor=cursor, limit=SHOWN),
        CREATED,
    ),
    "sessions": List(
        auth.UserSessionFactory.insert,
        lambda tx, _, cursor: tx.sessions.list_active(cursor=cursor, limit=SHOWN),
        {"token_hash": HASH},
    ),
    "members": List(
        auth.TeamMemberFactory.insert,
        lambda tx, row, cursor: tx.teams.members(row.team_id, cursor=cursor, limit=SHOWN),
        {"member_id": "uuidv7()"},
    ),
    "teams": List(
        auth.TeamFactory.insert,
        lambda tx, _, cursor: tx.teams.list(cursor=cursor, limit=SHOWN),
        {"name": "'one of many ' || n"},
    ),
    "changes": List(
        auth.AuditEntryFactory.insert,
        lambda tx, _, cursor: tx.audit_log.changes(cursor=cursor, limit=SHOWN),
        {"event": "(ARRAY['insert', 'update', 'delete']::auth.audit_event[])[1 + n % 3]", **CREATED},
    ),
    "events": List(
        auth.AuditEntryFactory.insert,
        lambda tx, _, cursor: tx.audit_log.timeline(cursor=cursor, limit=SHOWN),
        {"event": "(enum_range('login'::auth.audit_event, NULL))[1 + n % 8]", **CREATED},
    ),
    "roadmaps": List(
        learning.RoadmapFactory.insert,
        lambda tx, _, cursor: tx.roadmaps.list(cursor=cursor, limit=SHOWN),
    ),
    "roadmaps of a project": List(
        learning.RoadmapFactory.insert,
        lambda tx, row, cursor: tx.roadmaps.list(project_id=row.project_id, cursor=cursor, limit=SHOWN),
    ),
    "assessments": List(
        learning.AssessmentFactory.insert,
        lambda tx, _, cursor: tx.assessments.list(cursor=cursor, limit=SHOWN),
    ),
    "recommendations": List(
        learning.RecommendationFactory.insert,
        lambda tx, _, cursor: tx.recommendations.list_open(cursor=cursor, limit=SHOWN),
        {"target": "'target ' || n"},
    ),
    "documents of a project": List(
        memory.DocumentFactory.insert,
        lambda tx, row, cursor: tx.documents.list(project_id=row.project_id, cursor=cursor, limit=SHOWN),
        {"content_hash": HASH, "source_uri": "NULL"},
    ),
    "documents": List(
        memory.DocumentFactory.insert,
        lambda tx, _, cursor: tx.documents.list(cursor=cursor, limit=SHOWN),
        {"content_hash": HASH, "source_uri": "NULL"},
    ),
    "chunks": List(
        memory.ChunkFactory.insert,
        lambda tx, row, cursor: tx.documents.chunks_of(row.document_id, cursor=cursor, limit=SHOWN),
        {"ordinal": "n"},
    ),
    "searches": List(
        memory.SearchEntryFactory.insert,
        lambda tx, _, cursor: tx.search_history.list(cursor=cursor, limit=SHOWN),
    ),
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
    row = one.make(session)
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
        with database.begin(Actor.user(row.user_id)) as tx:
            with statements() as sent:
                page = one.page(tx, row, cursor)
            assert len(page.items) == SHOWN
            yield number, sum(rows_read(tx, *statement) for statement in sent)
        cursor = page.next_cursor


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """Yield what is sent."""
    sent: list[tuple[str, Any]] = []

    def note(_: Connection, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        sent.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def rows_read(tx: Transaction, statement: str, parameters: Any) -> int:
    """Return how many rows a statement's scans look at."""
    sql = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
    found: Any = tx.session.connection().exec_driver_sql(sql, parameters).scalar_one()
    return _scanned(found[0]["Plan"])


def _scanned(node: dict[str, Any]) -> int:
    below = sum(_scanned(each) for each in node.get("Plans", []))
    if "Relation Name" not in node:
        return below
    looked_at: float = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return below + round(looked_at * float(node["Actual Loops"]))
