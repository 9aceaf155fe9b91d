"""Write the documentation into a folder, and tell how a folder differs from it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from devmentor_models.documentation import diagrams, dictionary, markdown, variables
from devmentor_models.errors import ConfigurationError
from devmentor_models.registry import SCHEMAS, target_metadata

#: The folder of the data dictionary, inside the one that is asked for.
FOLDER = "schema"
_DOT_SECONDS = 120


def render() -> dict[str, str]:
    """Return every page by its path, ``schema/auth.md``; always the same text for the same models (S9)."""
    pages = {dictionary.OVERVIEW: dictionary.overview_page(target_metadata, SCHEMAS)}
    for schema in SCHEMAS:
        pages[f"{schema}.md"] = dictionary.schema_page(target_metadata, schema)
    return {
        variables.PAGE: variables.settings_page(),
        **{f"{FOLDER}/{name}": text for name, text in pages.items()},
    }


def compare(directory: Path) -> list[str]:
    """Return what distinguishes a folder from the models, one line for each page; empty when nothing does."""
    pages = render()
    found = [_compare_page(directory / name, text) for name, text in pages.items()]
    found += [f"{path} belongs to no schema" for path in _superfluous(directory, set(pages))]
    return [line for line in found if line]


def write(directory: Path) -> list[Path]:
    """Make a folder what `compare` wants it to be, and return the pages that were written or removed."""
    pages = render()
    changed = []
    for name, text in pages.items():
        path = directory / name
        if _compare_page(path, text):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(path)
    for path in _superfluous(directory, set(pages)):
        path.unlink()
        changed.append(path)
    return changed


def draw(directory: Path) -> list[Path] | None:
    """Draw the diagrams as SVG, and return their paths; None where Graphviz is not installed.

    They are no part of `compare`: another version of Graphviz, or other fonts, draw another picture.

    Raises:
        ConfigurationError: Graphviz is there, but does not work.
    """
    dot = shutil.which("dot")
    if dot is None:
        return None
    graphs = {schema: diagrams.schema_graph(target_metadata, schema) for schema in SCHEMAS}
    graphs["overview"] = diagrams.overview_graph(target_metadata, SCHEMAS)
    drawn = []
    for name, graph in graphs.items():
        path = directory / FOLDER / f"{name}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        _run_dot(dot, graph, path)
        drawn.append(path)
    return drawn


def _run_dot(dot: str, graph: str, path: Path) -> None:
    arguments = [dot, "-Tsvg", "-o", str(path)]
    try:
        subprocess.run(  # noqa: S603 - a program of the system, and no shell
            arguments, input=graph, text=True, check=True, capture_output=True, timeout=_DOT_SECONDS
        )
    except subprocess.SubprocessError as error:
        raise ConfigurationError(f"Graphviz could not draw {path.name}: {error}") from error


def _compare_page(path: Path, text: str) -> str | None:
    if not path.is_file():
        return f"{path} is missing"
    return None if path.read_bytes() == text.encode() else f"{path} differs from the models"


def _superfluous(directory: Path, expected: set[str]) -> list[Path]:
    """Return the pages that we wrote once and would not write today; others' pages are left alone."""
    return [
        path
        for path in sorted((directory / FOLDER).glob("*.md"))
        if f"{FOLDER}/{path.name}" not in expected
        and path.read_text(encoding="utf-8", errors="replace").startswith(markdown.MARKER)
    ]
