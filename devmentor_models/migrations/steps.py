"""The steps of one run of Alembic: checked before the first, resumed where a try failed (M1, M3).

A revision whose downgrade loses data says so in its docstring, in a paragraph of its own::

    Downgrade loses: the column auth.teams.motto.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from alembic.script import Script

from devmentor_models.errors import DataLossRefused

_LOSES = re.compile(r"^Downgrade loses:\s*(?P<what>.+?)\s*(?:\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
_DROPS = re.compile(
    r"op\.drop_(?P<kind>table|column)\(\s*['\"](?P<table>\w+)['\"]"
    r"(?:,\s*['\"](?P<column>\w+)['\"])?(?:,\s*schema=['\"](?P<schema>\w+)['\"])?"
)


def loss_of(docstring: str | None) -> str | None:
    r"""Return what a revision's docstring says that its downgrade loses; None when it loses nothing.

    >>> loss_of("Add the motto of teams.\n\nDowngrade loses: the column\n    auth.teams.motto.\n")
    'the column auth.teams.motto.'
    """
    found = _LOSES.search(docstring or "")
    return " ".join(found["what"].split()) if found else None


def loss_line(downgrade: str) -> str | None:
    """Return the paragraph about loss for a new revision, from the text of its downgrade.

    >>> loss_line('op.drop_column("teams", "motto", schema="auth")')
    'Downgrade loses: the column auth.teams.motto.'
    """
    lost = []
    for found in _DROPS.finditer(downgrade):
        names = ".".join(name for name in (found["schema"], found["table"], found["column"]) if name)
        lost.append(f"the {found['kind']} {names}")
    return f"Downgrade loses: {', '.join(lost)}." if lost else None


class Steps:
    """What one run of Alembic is to do, over all its tries.

    The steps are found once: a relative goal such as ``+2`` or ``-1`` would mean another revision when
    asked again after the first step.

    Args:
        allow_data_loss: Whether downgrades that lose data may run.
    """

    def __init__(self, *, allow_data_loss: bool) -> None:
        self._allow_data_loss = allow_data_loss
        self._left: list[MigrationStep] | None = None

    @property
    def name(self) -> str:
        """Name the step that is being done."""
        match self._left:
            case [RevisionStep() as step, *_]:
                return f"Revision {step.revision.revision}"
        return "The migration"

    def attach(self, context: MigrationContext) -> None:
        """Let ``context`` run what is left, or everything on the first try.

        Running raises `DataLossRefused` before anything is done, when one of the steps loses data. A script
        that is only printed says so instead: it is going to be read.
        """
        planned: Callable[..., Iterable[MigrationStep]] = context.opts["fn"]

        def left(heads: tuple[str, ...], running: MigrationContext) -> Iterator[Any]:
            if self._left is None:
                steps = list(planned(heads, running))
                for script, lost in losses(steps):
                    self._tell_loss(running, script.revision, lost)
                self._left = steps
            if running.connection is not None and not running.as_sql:
                running.connection.commit()  # Alembic's own table is no part of the first revision
            while self._left:
                yield self._left[0]
                del self._left[0]  # reached when the step is committed

        context._migrations_fn = left  # noqa: SLF001 - Alembic has no hook before the first step

    def _tell_loss(self, context: MigrationContext, revision: str, lost: str) -> None:
        if context.as_sql:
            context.impl.static_output(f"-- The downgrade of revision {revision} loses {lost}")
        elif not self._allow_data_loss:
            raise DataLossRefused(revision, lost)


def losses(steps: Iterable[MigrationStep]) -> Iterator[tuple[Script, str]]:
    """Yield the revisions whose downgrade is among ``steps`` and loses data, with what it loses."""
    for step in steps:
        if isinstance(step, RevisionStep) and not step.is_upgrade:
            script = step.revision
            if lost := loss_of(script.module.__doc__):
                yield script, lost
