"""A folder of revisions that a test may add to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from devmentor_models import migrate

_TEMPLATE = '''"""{doc}"""

import sqlalchemy as sa
from alembic import op

revision: str = "{revision}"
down_revision: str | None = "{down}"
{extra}


def upgrade() -> None:
    """Do it."""
    {upgrade}


def downgrade() -> None:
    """Undo it."""
    {downgrade}
'''


class Revisions:
    """The revisions of this checkout, and those that a test puts on top.

    Args:
        directory: Where the copy goes.
        patch: What makes `migrate` look there.
    """

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.directory = directory / "alembic"
        self._patch = patch
        shutil.copytree(
            migrate.script_location(), self.directory, ignore=shutil.ignore_patterns("__pycache__")
        )
        self.released = migrate.head()
        self.head = self.released
        self.use()

    def use(self) -> None:
        """Let `migrate` find all of them."""
        self._patch.setattr(migrate, "script_location", lambda: self.directory)

    def forget(self) -> None:
        """Let `migrate` find the checkout's alone, as an installation does that is older."""
        self._patch.undo()

    def remove_head(self) -> None:
        """Take the newest revision away."""
        script = ScriptDirectory.from_config(migrate.config()).get_revision("head")
        Path(script.path).unlink()
        self.head = str(script.down_revision)

    def add(
        self,
        revision: str,
        upgrade: str = "pass",
        downgrade: str = "pass",
        *,
        compatible_from: str | None = None,
        doc: str = "A test's.",
        extra: str = "",
    ) -> str:
        """Put a revision on top; bodies and ``extra`` are statements of Python. Return its id."""
        text = _TEMPLATE.format(
            doc=doc,
            revision=revision,
            down=self.head,
            extra=f'compatible_from: str = "{compatible_from}"\n{extra}' if compatible_from else extra,
            upgrade=upgrade.replace("\n", "\n    "),
            downgrade=downgrade.replace("\n", "\n    "),
        )
        (self.directory / "versions" / f"20991231_{revision}.py").write_text(text)
        self.head = revision
        return revision
