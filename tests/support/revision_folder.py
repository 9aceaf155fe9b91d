"""Revisions of a test's own, on top of the real ones or on nothing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent

from alembic import command
from alembic.config import Config

from devmentor_models import migrate


@dataclass
class Revisions:
    """A folder of revisions, which grows by `add`.

    Attributes:
        folder: Where they are; Alembic's ``script_location``.
        last: The newest revision; None where there is none.
    """

    folder: Path
    last: str | None = None
    names: list[str] = field(default_factory=list)

    @classmethod
    def after_head(cls, folder: Path) -> Revisions:
        """Copy the real revisions, to add to them."""
        shutil.copytree(migrate.script_location(), folder, ignore=shutil.ignore_patterns("__pycache__"))
        return cls(folder, migrate.head())

    @classmethod
    def from_nothing(cls, folder: Path) -> Revisions:
        """Make a folder without revisions, with the real environment."""
        (folder / "versions").mkdir(parents=True)
        shutil.copy(migrate.script_location() / "env.py", folder)
        return cls(folder)

    def add(self, upgrade: str, downgrade: str = "pass", *, loses: str | None = None) -> str:
        """Add a revision with these bodies and return its identifier."""
        name = f"{len(self.names) + 1:04d}feedbeef"
        loss = f"\n\nDowngrade loses: {loses}\n" if loses else ""
        (self.folder / "versions" / f"20991231_{len(self.names):04d}_test.py").write_text(
            f'"""A revision of a test.{loss}"""\n\n'
            "import sqlalchemy as sa\nfrom alembic import op\n\n"
            f"revision = {name!r}\ndown_revision = {self.last!r}\n\n\n"
            f"def upgrade():\n{indent(dedent(upgrade).strip(), '    ')}\n\n\n"
            f"def downgrade():\n{indent(dedent(downgrade).strip(), '    ')}\n"
        )
        self.last = name
        self.names.append(name)
        return name

    def config(self, url: str, **options: str) -> Config:
        """Return Alembic's configuration for a database; ``options`` as ``alembic -x`` takes them."""
        made = migrate.config(url, **options)
        made.set_main_option("script_location", str(self.folder))
        return made

    def upgrade(self, url: str, revision: str = "head", **options: str) -> None:
        """Bring a database up."""
        command.upgrade(self.config(url, **options), revision)

    def downgrade(self, url: str, revision: str, **options: str) -> None:
        """Take a database back."""
        command.downgrade(self.config(url, **options), revision)
