"""Tell what each pending revision will do to a database in use, by doing it to a copy of its schema (M6).

The copy is a scratch database that the revisions themselves bring to where the live one is. What is measured
there: see `observe` and `effects`. How long a step takes depends on the size of the live tables, which the
copy does not have; so the plan names what a step reads or writes, not seconds.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum

import psycopg
from alembic import command
from alembic.script import Script, ScriptDirectory
from alembic.util.exc import CommandError

from devmentor_models.migrations.effects import Surface, broken, tightened
from devmentor_models.migrations.observe import STRENGTH, Observer, Statement
from devmentor_models.migrations.script import find_revision
from devmentor_models.migrations.window import AppliedRevision, lineage
from devmentor_models.settings import conninfo

#: These make writers wait, and the strongest makes readers wait as well.
_BLOCKS_WRITERS = STRENGTH["SHARE"]
_BLOCKS_READERS = STRENGTH["ACCESS EXCLUSIVE"]
_SHOWN = 60  # characters of a statement


class Duration(StrEnum):
    """What the time of a revision grows with."""

    INSTANT = "instant"
    WRITE = "grows with the rows written"
    SCAN = "grows with the tables read"
    REWRITE = "grows with the tables rewritten"


class Verdict(StrEnum):
    """Whether a revision may be applied while the old version serves."""

    SAFE = "safe"
    CAREFUL = "careful"
    UNSAFE = "unsafe"


@dataclass(frozen=True)
class RevisionPlan:
    """What one revision does.

    Attributes:
        revision: Its id.
        title: The first line of its docstring.
        locks: The strongest lock mode by table, of tables that were there before.
        rewrites: Tables that are rewritten.
        scans: Tables that are read as a whole.
        indexes: Tables on which an index is built.
        writes: Rows written by table, in the copy.
        duration: What its time grows with.
        verdict: Whether it may run while the old version serves.
        reasons: Why it is not simply safe.
        compatible_from: The oldest revision whose code works once it is applied, as it declares.
    """

    revision: str
    title: str
    locks: dict[str, str]
    rewrites: list[str]
    scans: list[str]
    indexes: list[str]
    writes: dict[str, int]
    duration: Duration
    verdict: Verdict
    reasons: list[str]
    compatible_from: str


def plan(url: str, start: str | None = None, end: str = "head") -> list[RevisionPlan]:
    """Return what the revisions after ``start`` up to ``end`` do, in order.

    Args:
        url: The live database. It is only asked for its revision; the work is done in a scratch database.
        start: Where to begin, if not where the database is; ``base`` is nothing.
        end: The last revision.

    Raises:
        ConfigurationError: There is no server for a scratch database.
        CommandError: A revision is not known, or ``end`` is before ``start``.
    """
    from devmentor_models import migrate  # noqa: PLC0415 - migrate imports the environment
    from devmentor_models.migrations.scratch import scratch_database  # noqa: PLC0415 - as above

    scripts = ScriptDirectory.from_config(migrate.config())
    begin = find_revision(scripts, start or migrate.current(url) or "base")
    line = lineage(scripts, find_revision(scripts, end))
    order = ["base", *(entry.revision for entry in line)]
    if begin not in order:
        raise CommandError(f"Revision {begin} is not before {end}")
    pending = [scripts.get_revision(name) for name in order[order.index(begin) + 1 :]]
    if not pending:
        return []
    with scratch_database(url) as scratch:
        if begin != "base":
            migrate.upgrade(scratch, begin)
        _fill(scratch)
        return [_measure(scratch, script, line) for script in pending]


def _fill(url: str) -> None:
    """Put a few rows into the tables, where the factories of the testing extra fit them."""
    try:
        from devmentor_models.testing.fill import fill  # noqa: PLC0415 - an extra
    except ImportError:
        return
    fill(url)


def _measure(url: str, script: Script, line: list[AppliedRevision]) -> RevisionPlan:
    """Apply one revision to the scratch database and look."""
    from devmentor_models import migrate  # noqa: PLC0415 - migrate imports the environment

    observer = Observer(conninfo(url))
    with closing(observer), psycopg.connect(conninfo(url), autocommit=True) as connection:
        before = Surface.of(connection)
        observer.begin()
        config = migrate.config(url)
        config.attributes["observe"] = observer.attach
        command.upgrade(config, script.revision)
        after = Surface.of(connection)
    entry = next(entry for entry in line if entry.revision == script.revision)
    return _judge(script, entry, observer.statements, _reasons_of_code(script, line, before, after))


Reasons = list[tuple[Verdict, str]]


def _judge(
    script: Script, entry: AppliedRevision, statements: list[Statement], of_code: Reasons
) -> RevisionPlan:
    reasons = _reasons_of_locks(statements) + of_code
    order = list(Verdict)
    locks: dict[str, str] = {}
    writes: dict[str, int] = {}
    for statement in statements:
        for table, mode in statement.locks.items():
            locks[table] = max(mode, locks.get(table, mode), key=lambda item: STRENGTH[item])
        for table, rows in statement.written.items():
            writes[table] = writes.get(table, 0) + rows
    return RevisionPlan(
        revision=script.revision,
        title=(script.doc or "").partition("\n")[0],
        locks=dict(sorted(locks.items())),
        rewrites=sorted({table for statement in statements for table in statement.rewritten}),
        scans=sorted({table for statement in statements for table in statement.scanned}),
        indexes=sorted({table for statement in statements for table in statement.indexed}),
        writes=dict(sorted(writes.items())),
        duration=max((_duration(statement) for statement in statements), key=_rank, default=Duration.INSTANT),
        verdict=max((verdict for verdict, _ in reasons), key=order.index, default=Verdict.SAFE),
        reasons=list(dict.fromkeys(reason for _, reason in reasons)),
        compatible_from=entry.compatible_from,
    )


def _rank(duration: Duration) -> int:
    return list(Duration).index(duration)


def _duration(statement: Statement) -> Duration:
    if statement.rewritten:
        return Duration.REWRITE
    if statement.scanned or statement.indexed:
        return Duration.WRITE if statement.written else Duration.SCAN
    return Duration.WRITE if statement.written else Duration.INSTANT


def _reasons_of_locks(statements: list[Statement]) -> Reasons:
    """Say who waits, and for what: a lock that is held while something long runs in its transaction."""
    reasons: Reasons = []
    for statement in statements:
        if (duration := _duration(statement)) is Duration.INSTANT:
            continue
        for table, mode in sorted(statement.held.items()):
            if STRENGTH[mode] >= _BLOCKS_WRITERS:
                who = "readers and writers" if STRENGTH[mode] >= _BLOCKS_READERS else "writers"
                reasons.append((Verdict.UNSAFE, f"{who} of {table} wait for: {_short(statement.text)}"))
        if duration is Duration.WRITE:
            tables = ", ".join(sorted(statement.written))
            reasons.append((Verdict.CAREFUL, f"rows of {tables} stay locked until it commits"))
    return reasons


def _reasons_of_code(script: Script, line: list[AppliedRevision], before: Surface, after: Surface) -> Reasons:
    """Say what the old version can no longer do; a declared window is the author's word that it need not."""
    order = [entry.revision for entry in line]
    entry = line[order.index(script.revision)]
    declared = hasattr(script.module, "compatible_from")
    reasons: Reasons = [(Verdict.CAREFUL, reason) for reason in tightened(before, after)]
    lost = broken(before, after)
    reasons += [(Verdict.CAREFUL if declared else Verdict.UNSAFE, reason) for reason in lost]
    if declared and entry.compatible_from != order[0]:
        outlived = order.index(entry.compatible_from) > order.index(script.revision) - 1
        reasons.append(
            (
                Verdict.UNSAFE if outlived else Verdict.CAREFUL,
                f"declares that only code of {entry.compatible_from} or later works with it",
            )
        )
    return reasons


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[: _SHOWN - 1]}…"
