"""Cut a text into pieces to embed: whole paragraphs, a heading always with what follows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: About how many tokens a piece is to have: enough for a thought, few enough for one direction.
WANTED_TOKENS = 250
#: A heading starts a new piece when the one before has at least this many.
ENOUGH_TOKENS = 80

_PARAGRAPH = re.compile(r"\S.*?(?=\s*\n[ \t]*\n|\s*\Z)", re.DOTALL)
_HEADING = re.compile(r"#{1,6} |[^\n]+\n[ \t]*(=|-|~|\^|\*){3,}[ \t]*(\n|\Z)")
#: Where a long paragraph may be cut, the best places first: list items, sentences, lines, words.
_CUTS = [re.compile(cut) for cut in (r"\n(?=[ \t]*(?:[*+-]|\d+\.)\s)", r"(?<=[.!?:;])\s+", r"\n", r"\s+")]
_WORD = re.compile(r"\w+|[^\w\s]")
_LINK = re.compile(r"\w{1,20}://\S*|\[[^\]]*\]\[[^\]]*\]|:\w+: |\.\. \S+::|<[^>]*>")
_SPOKEN = re.compile(r"[^\W\d_]{2,}")
_LEAST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text: ``text[start:end]``.

    Attributes:
        content: The piece.
        start: Offset of its first character.
        end: Offset after its last character.
    """

    content: str
    start: int
    end: int


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a model makes of ``text``: words and signs, long words counted more."""
    return sum(1 + len(word) // 8 for word in _WORD.findall(text))


def pieces(text: str, wanted: int = WANTED_TOKENS) -> list[Piece]:
    """Cut ``text`` into pieces of about ``wanted`` tokens, between paragraphs where possible.

    Paragraphs without words, such as rows of badges, are left out.
    """
    made: list[Piece] = []
    start = end = tokens = 0
    heading_only = False

    def finish() -> None:
        if tokens:
            made.append(Piece(text[start:end], start, end))

    for first, last in _spans(text, wanted):
        paragraph = text[first:last]
        size = estimated_tokens(paragraph)
        is_heading = bool(_HEADING.match(paragraph))
        full = tokens + size > wanted and not heading_only
        if full or (is_heading and tokens >= ENOUGH_TOKENS):
            finish()
            tokens = 0
        if not tokens:
            start = first
        end = last
        tokens += size
        heading_only = is_heading and start == first
    finish()
    return made


def _spans(text: str, wanted: int) -> Iterator[tuple[int, int]]:
    """Yield where the paragraphs with words are; those that are too long in parts."""
    for found in _PARAGRAPH.finditer(text):
        if len(_SPOKEN.findall(_LINK.sub(" ", found.group()))) < _LEAST_WORDS and not _HEADING.match(
            found.group()
        ):
            continue
        yield from _parts(text, *found.span(), wanted)


def _parts(text: str, start: int, end: int, wanted: int, level: int = 0) -> Iterator[tuple[int, int]]:
    """Yield ``start, end`` if that is no more than wanted, else its parts between cuts of the next level."""
    while start < end and text[start].isspace():
        start += 1
    if start == end:
        return
    if estimated_tokens(text[start:end]) <= wanted:
        yield start, end
        return
    if level == len(_CUTS):  # encoded data rather than words
        for place in range(start, end, wanted):
            yield place, min(place + wanted, end)
        return
    for cut in _CUTS[level].finditer(text, start, end):
        yield from _parts(text, start, cut.start(), wanted, level + 1)
        start = cut.end()
    yield from _parts(text, start, end, wanted, level + 1)
