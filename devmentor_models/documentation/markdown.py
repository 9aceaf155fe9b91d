"""Pages in Markdown, as both the data dictionary and the list of settings write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: How every page begins; what does not begin so was not written by us, and is left alone.
MARKER = "<!-- Written by `devmentor-db docs` from the models. Do not edit. -->"
_ESCAPED = str.maketrans({character: f"\\{character}" for character in "\\|<*`[]"})


def page(blocks: Iterable[str]) -> str:
    """Return a page of blocks, marked as one of ours."""
    return "\n\n".join([MARKER, *(block.strip("\n") for block in blocks)]) + "\n"


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def code(text: str) -> str:
    """Return text as code; a bar would end the cell of a table, in code as well."""
    return f"`{text.replace('|', chr(92) + '|')}`" if text else ""


def text(text: str) -> str:
    """Return plain text with whatever Markdown would read as markup escaped."""
    return " ".join(text.split()).translate(_ESCAPED)
