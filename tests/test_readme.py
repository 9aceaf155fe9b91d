"""What the README says works as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devmentor_models import migrate
from devmentor_models.cli.app import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_service_example(devmentor_database_url: str, tmp_path: Path) -> None:
    """The example runs against a migrated database, twice, and prints what it promises."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 11
    service = tmp_path / "service.py"
    service.write_text(code)
    environment = os.environ | {"DEVMENTOR_DATABASE_URL": devmentor_database_url}
    for _ in range(2):
        done = subprocess.run(  # noqa: S603 - the README's own code
            [sys.executable, str(service)], capture_output=True, text=True, env=environment, check=False
        )
        assert (done.stdout, done.stderr) == ("Analytical Engine: 70 credits left\n", "")


def test_the_quickstart_leads_to_the_newest_revision() -> None:
    """What it prints is shown as it is now."""
    assert f"migrated from nothing to {migrate.head()} " in README


def test_commands_exist() -> None:
    """The table of commands names those that there are, and all of them."""
    names = {
        command.name or (command.callback.__name__ if command.callback else "")
        for command in app.registered_commands
    } | {str(group.name) for group in app.registered_groups}
    (table,) = re.findall(r"\| command \|.*?\n\n", README, re.DOTALL)
    named = set(re.findall(r"`(?:devmentor-db )?([a-z][a-z-]*)[^`]*`", table))
    assert named == names


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(document: str) -> None:
    """Files and folders that a document links to exist."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / document).read_text()):
        assert (ROOT / target).exists(), target


def test_packages_exist() -> None:
    """The table of packages names what there is, and all of it."""
    named = set(re.findall(r"^\| `devmentor_models\.(\w+)`", README, re.MULTILINE))
    packages = {path.parent.name for path in (ROOT / "devmentor_models").glob("*/__init__.py")}
    assert named == packages
