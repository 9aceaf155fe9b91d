"""``python -m benchmarks.data``: a database with more than a million rows, built by COPY and then verified.

``--keep DIRECTORY`` leaves it there to look at, with its server running; a second run finds it complete.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import psycopg

from benchmarks.rows import DIMENSIONS, MODEL, Amounts, Rows
from benchmarks.server import DATABASE
from devmentor_models.embedded import EmbeddedServer
from devmentor_models.migrate import check, upgrade
from devmentor_models.settings import conninfo

FULL = Amounts(users=20_000, projects=100_000, documents=1_000_000, teams=2_000, tasks=300_000)
QUICK = Amounts(users=20, projects=60, documents=2_000, teams=5, tasks=300)
MAX_SECONDS = 120
_PIECE = 1 << 20

#: Tables in the order of their foreign keys, the largest last, with the columns that are sent.
_COPIES = {
    "auth.users": "id, email, username, password_hash",
    "auth.teams": "id, user_id, name",
    "auth.team_members": "user_id, team_id, member_id",
    "projects.projects": "id, user_id, name, slug",
    "ai.project_embeddings": "id, user_id, project_id, model_id, dimensions, content_hash, embedding",
    "projects.tasks": "id, user_id, project_id, title, position, assignee_id",
    "memory.documents": (
        "id, user_id, project_id, title, content, source, content_hash, created_at, updated_at"
    ),
}
#: Indexes that no constraint needs: filled one by one they would take longer than made at the end.
_INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid
WHERE i.indrelid = ANY (%s::regclass[]) AND c.oid IS NULL ORDER BY 1
"""
#: For each foreign key of the tables: its name, and how many rows have no parent.
_FOREIGN_KEYS = """
SELECT c.conrelid::regclass || '.' || c.conname,
       format('SELECT count(*) FROM %%s child WHERE %%s AND NOT EXISTS (SELECT FROM %%s parent WHERE %%s)',
           c.conrelid::regclass, string_agg(format('child.%%I IS NOT NULL', child.attname), ' AND '),
           c.confrelid::regclass,
           string_agg(format('parent.%%I = child.%%I', parent.attname, child.attname), ' AND '))
FROM pg_constraint c
CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS pair(child, parent)
JOIN pg_attribute child ON (child.attrelid, child.attnum) = (c.conrelid, pair.child)
JOIN pg_attribute parent ON (parent.attrelid, parent.attnum) = (c.confrelid, pair.parent)
WHERE c.contype = 'f' AND c.conrelid = ANY (%s::regclass[])
GROUP BY c.oid, c.conrelid, c.conname, c.confrelid ORDER BY 1
"""


class DataSetBroken(RuntimeError):
    """The data set is not what it should be: its schema differs from the models, or a row has no parent."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and verify the data set; return 1 when that took longer than two minutes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data", description=__doc__)
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="leave the database and its server")
    parser.add_argument("--quick", action="store_true", help="only show that it runs, with few rows")
    chosen = parser.parse_args(arguments)
    amounts = QUICK if chosen.quick else FULL
    with million(amounts, chosen.keep) as (server, seconds):
        verify(server.url(DATABASE))
        print("The schema is the models', and every row has its parents.")
        if chosen.keep:
            print(f"Look at it:  {server.psql_command(DATABASE)}")
    return int(seconds > MAX_SECONDS)


@contextmanager
def million(amounts: Amounts = FULL, keep: Path | None = None) -> Iterator[tuple[EmbeddedServer, float]]:
    """Yield a server with the data set and the seconds that building took, 0 when it was there already.

    Args:
        amounts: How many rows.
        keep: Where to leave the database, and its server running; None: both go in the end.
    """
    # Not mkdtemp: root's server runs as another account, which could not pass through root's own folder.
    directory = keep or Path(tempfile.gettempdir()) / f"devmentor-bench-{uuid4().hex}"
    try:
        server = EmbeddedServer.start(directory, durable=False)
        try:
            server.create_database(DATABASE)
            upgrade(server.url(DATABASE))
            began = perf_counter()
            made = fill(server.url(DATABASE), amounts)
            seconds = perf_counter() - began if made else 0.0
            print(f"{made:,} rows in {seconds:.0f} s." if made else "The rows are there already.")
            yield server, seconds
        finally:
            if keep is None:
                server.stop()
    finally:
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)


def fill(url: str, amounts: Amounts) -> int:
    """Fill a migrated database as its superuser, all or nothing; return the rows, 0 when they were there."""
    tables = list(_COPIES)
    # VACUUM marks pages as visible to all once the commits behind them are in the log; else no scan of an
    # index alone is one.
    settings = "-c synchronous_commit=on"
    with psycopg.connect(conninfo(url), options=settings) as connection:
        if connection.execute("SELECT 1 FROM ai.embedding_models WHERE name = %s", [MODEL]).fetchone():
            return 0
        rows = Rows(amounts)
        # No triggers: neither trails, nor a look at each foreign key; `verify` looks at all of them together.
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("SET LOCAL maintenance_work_mem = '1GB'")
        indexes = connection.execute(_INDEXES, [tables]).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
        connection.execute(
            "INSERT INTO ai.embedding_models (id, name, dimensions) VALUES (%s, %s, %s)",
            [rows.model_key, MODEL, DIMENSIONS],
        )
        sources = [rows.users(), rows.teams(), rows.members(), rows.projects()]
        for (table, columns), lines in zip(
            _COPIES.items(), [*sources, None, rows.tasks(), rows.documents()], strict=True
        ):
            _copy(connection, table, columns, [rows.vectors()] if lines is None else _pieces(lines))
        for _, definition in indexes:
            connection.execute(definition.encode())
        connection.commit()
        connection.autocommit = True
        connection.execute(f"VACUUM ANALYZE {', '.join(tables)}".encode())
        connection.execute("CHECKPOINT")
    return amounts.total


def verify(url: str) -> None:
    """Make sure that the schema is the models' and that every foreign key holds.

    Raises:
        DataSetBroken: It is not, or one does not.
    """
    if problems := check(url) + orphans(url):
        raise DataSetBroken("\n".join(problems))


def orphans(url: str) -> list[str]:
    """Return a line for each foreign key with rows that have no parent."""
    with psycopg.connect(conninfo(url)) as connection:
        keys = connection.execute(_FOREIGN_KEYS, [list(_COPIES)]).fetchall()
        counted = [(name, connection.execute(query.encode()).fetchone()) for name, query in keys]
    return [f"{name}: {found[0]} rows without a parent" for name, found in counted if found and found[0]]


def _copy(connection: psycopg.Connection, table: str, columns: str, pieces: Iterable[bytes]) -> None:
    binary = table == "ai.project_embeddings"
    statement = f"COPY {table} ({columns}) FROM STDIN {'(FORMAT binary)' if binary else ''}".encode()
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in pieces:
            copy.write(piece)


def _pieces(lines: Iterable[str]) -> Iterator[bytes]:
    """Yield lines together, in pieces worth sending."""
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= _PIECE:
            yield "".join(held).encode()
            held, size = [], 0
    yield "".join(held).encode()


if __name__ == "__main__":
    sys.exit(main())
