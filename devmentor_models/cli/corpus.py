"""Texts that any machine has: what the installed Python distributions say of themselves, and our own docs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

#: Shorter descriptions say nothing ("UNKNOWN").
LEAST_CHARACTERS = 80
SUFFIXES = (".md", ".rst", ".txt")
#: What a program printed, as documents quote it: full of words, and no answer to anything.
_PRINTED = re.compile(r"^```text\n.*?^```$", re.DOTALL | re.MULTILINE)
OWN_DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


@dataclass(frozen=True, slots=True)
class Text:
    """A text to remember.

    Attributes:
        title: What to call it in a hit.
        content: The whole of it.
        uri: Where it came from.
    """

    title: str
    content: str
    uri: str

    @property
    def content_hash(self) -> bytes:
        """SHA-256 of the content, by which a text that is stored already is recognised."""
        return hashlib.sha256(self.content.encode()).digest()


def default_corpus() -> list[Text]:
    """Return the descriptions of the installed distributions and, in a checkout, this project's documents."""
    return _distinct([*own_documents(Path(__file__).parents[2]), *distributions()])


def folder(path: Path) -> list[Text]:
    """Return the Markdown, reStructuredText and plain text files under ``path``.

    Raises:
        NotADirectoryError: ``path`` is no folder.
    """
    if not path.is_dir():
        raise NotADirectoryError(f"{path} is not a folder")
    files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    return _distinct(_file(file, path) for file in files)


def distributions() -> Iterator[Text]:
    """Yield the description of every installed distribution that has one."""
    for found in metadata.distributions():
        information = found.metadata
        name, version = information["Name"], information["Version"]
        description = information.get("Description") or information.get_payload()  # type: ignore[attr-defined] # a Message
        if name and isinstance(description, str):
            yield Text(f"{name} {version}", _clean(description), f"pkg:pypi/{name.lower()}@{version}")


def own_documents(root: Path) -> Iterator[Text]:
    """Yield this project's documents, where ``root`` is its checkout; docs/ holds tables to look up."""
    if (root / "alembic.ini").is_file():
        for file in (root / name for name in OWN_DOCUMENTS):
            if file.is_file():
                yield _file(file, root)


def _file(file: Path, root: Path) -> Text:
    relative = file.relative_to(root).as_posix()
    return Text(relative, _clean(file.read_text("utf-8", "replace")), relative)


def _clean(content: str) -> str:
    """Return what is worth storing, and can be: no quoted output, no NUL, no lone surrogates."""
    return _PRINTED.sub("", content).replace("\0", "").encode("utf-8", "replace").decode().strip()


def _distinct(texts: Iterator[Text] | list[Text]) -> list[Text]:
    """Return each content once, and none that says nothing."""
    found: dict[bytes, Text] = {}
    for text in texts:
        if len(text.content) >= LEAST_CHARACTERS:
            found.setdefault(text.content_hash, text)  # our README is our distribution's description, too
    return sorted(found.values(), key=lambda text: text.title.lower())
