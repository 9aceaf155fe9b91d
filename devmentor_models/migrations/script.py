"""Write revisions as one SQL script that a person reviews and psql runs (requirement M6)."""

from __future__ import annotations

import io

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util.exc import CommandError

from devmentor_models.kit.base import TECHNICAL_SCHEMA

_HEADER = """\
-- {title}
--
{steps}
--
-- Each revision is a transaction, which begins by looking whether the database is where the revision starts
-- and whether nobody else migrates it. After a failure, print a new script from where the database stopped.
--
--   psql -X -v ON_ERROR_STOP=1 -f this-file.sql "postgresql://…"

{settings}
"""
#: A script does not try again, so it waits longer for a lock than `upgrade` does at a time.
_SETTINGS = {
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "lock_timeout": "5s",
    "statement_timeout": "15min",
}
_FIRST = f"""\
-- The roles and the extensions are an administrator's work: `devmentor-db bootstrap --print-sql`.
CREATE SCHEMA IF NOT EXISTS {TECHNICAL_SCHEMA};
"""

_GUARD = """\
DO $guard$
DECLARE
    found text;
BEGIN
    IF current_user <> '{owner}' THEN
        RAISE EXCEPTION 'This is the work of {owner}, not of %.', current_user;
    END IF;
    IF NOT pg_try_advisory_lock({key}) THEN
        RAISE EXCEPTION 'Somebody else is migrating this database.';
    END IF;
    IF to_regclass('{table}') IS NOT NULL THEN
        SELECT version_num INTO found FROM {table};
    END IF;
    IF coalesce(found, 'base') <> '{start}' THEN
        RAISE EXCEPTION 'This starts at {start}, and the database is at %.', coalesce(found, 'base');
    END IF;
END
$guard$;
"""

_BEGIN = "BEGIN;\n"


def write_script(config: Config, start: str, end: str) -> str:
    """Return the SQL that takes a database from revision ``start`` to ``end``, up or down.

    Args:
        config: Says where the revisions are; no database is needed.
        start: Where the database is: a revision or the beginning of its id, ``base`` or ``head``.
        end: Where it is to go.

    Raises:
        CommandError: A revision is not known, or both are the same.
    """
    scripts = ScriptDirectory.from_config(config)
    first, last = find_revision(scripts, start), find_revision(scripts, end)
    line = [script.revision for script in reversed([*scripts.walk_revisions()])]
    up = _place(line, first) < _place(line, last)
    steps = _steps(scripts, line, first, last)
    if not steps:
        raise CommandError(f"From {start} to {end} there is nothing to do")
    parts = [_header(steps, first, last, up=up), *([_FIRST] if first == "base" else [])]
    for script, (before, after) in steps:
        parts.append(_comment(f"{'Upgrade' if up else 'Downgrade'} from {before} to {after}", script))
        parts.append(_step(config, before, after, up=up))
    return "\n".join(parts)


def find_revision(scripts: ScriptDirectory, name: str) -> str:
    """Return the full id of what somebody called a revision: the beginning of its id, ``head``, ``base``.

    Raises:
        CommandError: There is none of that name.
    """
    found = scripts.get_revision(name) if name != "base" else None
    if found is None and name != "base":
        raise CommandError(f"No such revision: {name}")
    return found.revision if found else "base"


def _place(line: list[str], revision: str) -> int:
    return line.index(revision) + 1 if revision != "base" else 0


def _steps(
    scripts: ScriptDirectory, line: list[str], first: str, last: str
) -> list[tuple[Script, tuple[str, str]]]:
    """Return each revision on the way, with where its step begins and where it ends."""
    stops = ["base", *line]
    here, there = _place(line, first), _place(line, last)
    if here <= there:
        pairs = [(stops[i], stops[i + 1], stops[i + 1]) for i in range(here, there)]
    else:
        pairs = [(stops[i], stops[i - 1], stops[i]) for i in range(here, there, -1)]
    return [(_script(scripts, name), (before, after)) for before, after, name in pairs]


def _script(scripts: ScriptDirectory, name: str) -> Script:
    found = scripts.get_revision(name)
    if found is None:
        raise CommandError(f"No such revision: {name}")
    return found


def _header(steps: list[tuple[Script, tuple[str, str]]], first: str, last: str, *, up: bool) -> str:
    from devmentor_models.migrations import environment  # noqa: PLC0415 - it imports this package's modules

    settings = _SETTINGS | environment.OWNER_SETTINGS
    titles = [f"--   {script.revision}  {_first_line(script)}" for script, _ in steps]
    return _HEADER.format(
        title=f"DevMentor: {'upgrade' if up else 'downgrade'} from {first} to {last}",
        steps="\n".join(titles),
        settings="\n".join(_set(name, value) for name, value in settings.items()),
    )


def _set(name: str, value: str) -> str:
    return f"SET ROLE {value};" if name == "role" else f"SET {name} = '{value}';"


def _first_line(script: Script) -> str:
    return (script.doc or "").partition("\n")[0]


def _comment(title: str, script: Script) -> str:
    """Return a revision's docstring as comments, under a line that says which way it goes."""
    lines = [title, "", *(script.longdoc or "").strip().splitlines()]
    return "\n".join(f"-- {line}".rstrip() for line in ["=" * 77, *lines, "=" * 77]) + "\n"


def _step(config: Config, before: str, after: str, *, up: bool) -> str:
    """Return Alembic's own script of one revision, with the guard first in its transaction."""
    config.attributes["x"] = {"allow-data-loss": "yes"}  # a script is read before it is run
    buffer = config.output_buffer = io.StringIO()
    run = command.upgrade if up else command.downgrade
    run(config, f"{before}:{after}", sql=True)
    _, begin, rest = buffer.getvalue().partition(_BEGIN)  # the settings before it stand in the header
    return f"{begin}\n{_guard(before)}{rest}".rstrip() + "\n"


def _guard(start: str) -> str:
    from devmentor_models.migrations import environment  # noqa: PLC0415 - it imports this package's modules

    table = f"{TECHNICAL_SCHEMA}.{environment.VERSION_TABLE}"
    owner = environment.OWNER_SETTINGS["role"]
    return _GUARD.format(key=environment.LOCK_KEY, table=table, start=start, owner=owner)
