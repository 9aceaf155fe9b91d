"""Watch what the statements of a migration do to the tables that were there before (requirement M6).

Nothing is concluded from the text of a statement. Locks are those that PostgreSQL lists for the migrator's
own session while its transaction is still open, a rewrite is a new file, a scan is counted by the statistics
of the transaction, an index build is a new index.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Engine, event

#: What cannot run in a transaction, so that its locks are gone when it is done; it decides only how to look.
_OWN_TRANSACTIONS = re.compile(r"\b(CONCURRENTLY|VACUUM)\b", re.IGNORECASE)
_POLL_SECONDS = 0.002
_WITNESS_SECONDS = 1.5  # below lock_timeout: the witness must not fail the statement

#: Lock modes as SQL has them, the strongest first.
MODES = {
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ShareLock": "SHARE",
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    "RowExclusiveLock": "ROW EXCLUSIVE",
    "RowShareLock": "ROW SHARE",
    "AccessShareLock": "ACCESS SHARE",
}
STRENGTH = {mode: len(MODES) - place for place, mode in enumerate(MODES.values())}

_TABLES = """
SELECT c.oid, r.root, c.relfilenode,
       coalesce(s.seq_scan, 0), coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0)
FROM pg_class c
CROSS JOIN LATERAL (
    SELECT format('%I.%I', n.nspname, t.relname) AS root
    FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE t.oid = coalesce(pg_partition_root(c.oid)::oid, c.oid)
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
) r
LEFT JOIN pg_stat_xact_user_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'p', 'm') AND r.root NOT IN ('devmentor.alembic_version', 'devmentor.revisions')
"""
_INDEXES = """
SELECT i.indexrelid, c.relfilenode, i.indrelid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
"""
_LOCKS = """
SELECT relation, mode FROM pg_locks
WHERE pid = %s AND locktype = 'relation'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted)"


@dataclass(frozen=True)
class Table:
    """A table as it stands: its name (a partition has its parent's), its file, and what was done to it."""

    name: str
    file: int
    scans: int
    written: int


@dataclass(frozen=True)
class Picture:
    """What a session sees of the database and holds of it, at one moment."""

    tables: Mapping[int, Table]
    indexes: Mapping[int, tuple[int, int]]
    locks: frozenset[tuple[int, str]]


@dataclass(frozen=True)
class Statement:
    """What one statement did to the tables that were there before the revision.

    Attributes:
        text: The statement.
        locks: The strongest mode it took on each table.
        held: The strongest mode that its transaction held on each table when it was done.
        rewritten: Tables that got a new file.
        scanned: Tables that were read as a whole.
        indexed: Tables that got an index, or a new file of one.
        written: How many rows of each table it wrote.
    """

    text: str
    locks: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    rewritten: frozenset[str] = frozenset()
    scanned: frozenset[str] = frozenset()
    indexed: frozenset[str] = frozenset()
    written: dict[str, int] = field(default_factory=dict)


def take(connection: psycopg.Connection[Any]) -> Picture:
    """Look, in the session whose locks and statistics are wanted."""
    tables = connection.execute(_TABLES).fetchall()
    indexes = connection.execute(_INDEXES).fetchall()
    locks = connection.execute(_LOCKS, [connection.info.backend_pid]).fetchall()
    return Picture(
        {oid: Table(*rest) for oid, *rest in tables},
        {index: (file, table) for index, file, table in indexes},
        frozenset((relation, MODES[mode]) for relation, mode in locks),
    )


class Observer:
    """Records every statement that an engine executes.

    Args:
        conninfo: The database, for a session of the observer's own.
    """

    def __init__(self, conninfo: str) -> None:
        self.statements: list[Statement] = []
        self._conninfo = conninfo
        self._existing: Mapping[int, Table] = {}
        self._before: Picture | None = None
        self._witness: _Witness | None = None

    def begin(self) -> None:
        """Forget the statements so far; tables that are there now are those that matter."""
        self.statements = []
        with psycopg.connect(self._conninfo) as connection:
            self._existing = take(connection).tables

    def attach(self, engine: Engine) -> None:
        """Watch an engine."""
        event.listen(engine, "before_cursor_execute", self._start)
        event.listen(engine, "after_cursor_execute", self._finish)

    def close(self) -> None:
        """Let go of what a statement that failed has left."""
        if self._witness is not None:
            self._witness.stop()
            self._witness = None

    def _start(self, connection: Any, cursor: Any, text: str, *rest: Any) -> None:
        session = cursor.connection
        if not session.autocommit:
            self._before = take(session)
        elif _OWN_TRANSACTIONS.search(text):
            self._before = take(session)
            self._witness = _Witness(self._conninfo, session.info.backend_pid, self._existing)
        else:  # hold what it locks until it has been seen
            session.execute("BEGIN")
            self._before = take(session)

    def _finish(self, connection: Any, cursor: Any, text: str, *rest: Any) -> None:
        session, before = cursor.connection, self._before
        after = take(session)
        if before is None:
            return
        locks = after.locks - before.locks
        if self._witness is not None:
            locks = self._witness.stop()
            self._witness = None
        elif session.autocommit:
            session.execute("COMMIT")
        self.statements.append(self._compare(text, before, after, locks))

    def _compare(
        self, text: str, before: Picture, after: Picture, locks: frozenset[tuple[int, str]]
    ) -> Statement:
        both = [(before.tables[oid], after.tables[oid]) for oid in self._common(before, after)]
        return Statement(
            text=text,
            locks=self._strongest(locks),
            held=self._strongest(after.locks | locks),
            rewritten=frozenset(old.name for old, new in both if old.file != new.file),
            scanned=frozenset(old.name for old, new in both if new.scans > old.scans),
            indexed=frozenset(
                self._existing[table].name
                for index, (file, table) in after.indexes.items()
                if table in self._existing and before.indexes.get(index, (None,))[0] != file
            ),
            written={old.name: new.written - old.written for old, new in both if new.written > old.written},
        )

    def _common(self, before: Picture, after: Picture) -> set[int]:
        return set(self._existing) & set(before.tables) & set(after.tables)

    def _strongest(self, locks: frozenset[tuple[int, str]]) -> dict[str, str]:
        found: dict[str, str] = {}
        for oid, mode in locks:
            if (table := self._existing.get(oid)) is not None:
                found[table.name] = max(mode, found.get(table.name, mode), key=lambda item: STRENGTH[item])
        return found


class _Witness:
    """A writer on every table, in whose presence a statement that commits by itself has to wait and be seen.

    Args:
        conninfo: The database.
        pid: The process whose locks are wanted.
        tables: What to write to.
    """

    def __init__(self, conninfo: str, pid: int, tables: Mapping[int, Table]) -> None:
        self._pid = pid
        self._seen: set[tuple[int, str]] = set()
        self._over = threading.Event()
        self._writer = psycopg.connect(conninfo)
        names = self._writer.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.oid = ANY(%s::oid[]) AND c.relkind IN ('r', 'p')",
            [list(tables)],
        ).fetchall()
        if names:
            listed = sql.SQL(", ").join(sql.Identifier(*name) for name in names)
            self._writer.execute(sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(listed))
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        """Look until the statement waits for the writer, then let it go on."""
        until = time.monotonic() + _WITNESS_SECONDS
        while not self._over.is_set() and time.monotonic() < until:
            self._seen.update(self._writer.execute(_LOCKS, [self._pid]).fetchall())
            if self._writer.execute(_WAITS, [self._pid]).fetchone() == (True,):
                self._seen.update(self._writer.execute(_LOCKS, [self._pid]).fetchall())
                break
            time.sleep(_POLL_SECONDS)
        self._writer.rollback()

    def stop(self) -> frozenset[tuple[int, str]]:
        """Return what the process held, or waited for."""
        self._over.set()
        self._thread.join()
        self._writer.close()
        return frozenset((relation, MODES[mode]) for relation, mode in self._seen)
