"""The table of all cases, as the documentation shows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.migrations.matrix.case import Case

PAGE = Path(__file__).parents[3] / "docs" / "autogenerate.md"

_HEAD = """# What autogenerate and `devmentor-db check` see

`alembic revision --autogenerate` and `devmentor-db check` build what the models declare in a scratch
database, read the catalogs of both databases and compare them part by part. PostgreSQL itself writes out
every expression, so nothing has to be parsed.

Each line below is a test, run both ways on real databases:

- **In the models**: autogenerate sees the change; the upgrade leads to the same dump as a database built anew
  from the models; a second autogenerate is empty; the downgrade restores the dump and, where there are rows,
  the rows.
- **Behind their back**: `devmentor-db check` names the change where only the database has it, and the SQL
  that `devmentor-db check --sql` prints takes it back.

A rename is only a rename where the models say so: `info={"renamed_from": "old_name"}` on a table or column,
`info={"renamed_values": {"new": "old"}}` on an enum's column. Constraints and indexes that differ in nothing
but their names are renamed. Partitions that exist only in a database are never dropped.

This page is written by `python -m tests.migrations.matrix --write`.
"""


def page(cases: Iterable[Case]) -> str:
    """Return the documentation page."""
    groups: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        groups[case.group].append(case.name)
    count = sum(map(len, groups.values()))
    parts = [_HEAD, f"{count} changes of {len(groups)} kinds of objects:\n"]
    parts.append("| Kind | Change | In the models | Behind their back |\n|---|---|---|---|")
    for group in sorted(groups, key=str.lower):
        for place, name in enumerate(sorted(groups[group], key=str.lower)):
            kind = "" if place else group
            parts.append(
                f"| {kind} | {name.replace('|', chr(92) + '|')} | upgraded, undone | named, repaired |"
            )
    return "\n".join(parts) + "\n"
