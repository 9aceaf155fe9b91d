"""The list of settings, written from what reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from devmentor_models.documentation import markdown
from devmentor_models.kit.variables import PREFIX, VARIABLES
from devmentor_models.settings import DatabaseSettings

PAGE = "settings.md"
_ATTRIBUTE = re.compile(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", re.MULTILINE)
_ABOUT = """\
Spaces and line ends around a value do not count, and an empty variable is a missing one. Instead of a
variable there may be a file, named like it in lower case, in the folder that `DEVMENTOR_SECRETS_DIR` names;
the variable wins. What is in the database is told by [its own pages](schema/README.md), and what libpq reads
by itself, such as `PGHOST`, by PostgreSQL's documentation."""


def settings_page() -> str:
    """Return the page with every variable: name, default, meaning."""
    header = ("variable", "default", "meaning")
    others = [(markdown.code(item.name), item.default, item.meaning) for item in VARIABLES]
    return markdown.page(
        [
            "# Settings",
            _ABOUT,
            "## The database of a service",
            "Read by `Database.from_env()` and `AsyncDatabase.from_env()`; arguments win over them.",
            markdown.grid(header, _of_services()),
            "## Everything else",
            markdown.grid(header, others),
        ]
    )


def _of_services() -> Iterator[Sequence[str]]:
    meanings = {
        name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(DatabaseSettings.__doc__ or "")
    }
    for name, field in DatabaseSettings.model_fields.items():
        required, default = field.is_required(), field.default
        told = "required" if required else "none" if default is None else markdown.code(str(default).lower())
        yield markdown.code(f"{PREFIX}{name.upper()}"), told, meanings[name].replace("``", "`")
