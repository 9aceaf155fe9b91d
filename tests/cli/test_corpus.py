"""The quickstart's corpus: reading it and cutting it into pieces."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devmentor_models.cli import corpus
from devmentor_models.cli.chunks import estimated_tokens, pieces
from devmentor_models.cli.show import excerpt

PARAGRAPH = "An index on a UUID is like any other index, only larger. " * 6


@given(st.text(st.characters(codec="utf-8"), max_size=3000), st.integers(1, 60))
def test_pieces_are_where_they_say(text: str, wanted: int) -> None:
    """Pieces are parts of the text at their offsets, in order, without overlap, and none is empty."""
    end = 0
    for piece in pieces(text, wanted):
        assert piece.content == text[piece.start : piece.end]
        assert piece.content.strip()
        assert piece.start >= end
        end = piece.end


def test_pieces_are_whole_paragraphs() -> None:
    """Paragraphs are packed together up to the wanted size, never torn where they fit."""
    text = "\n\n".join(f"{number} {PARAGRAPH}" for number in range(20))
    made = pieces(text)
    assert 3 < len(made) < 20
    for piece in made:
        assert estimated_tokens(piece.content) <= 250
        assert piece.content[0].isdigit()
        assert piece.content.endswith("larger.")


@pytest.mark.parametrize("heading", ["## Indexes", "Indexes\n======="])
def test_a_heading_begins_a_piece(heading: str) -> None:
    """A heading stands with what follows it."""
    first, second = pieces(f"{PARAGRAPH}\n\n{PARAGRAPH}\n\n{heading}\n\n{PARAGRAPH}")
    assert not first.content.endswith(heading)
    assert second.content.startswith(heading)


def test_a_long_paragraph_is_cut_at_sentences() -> None:
    """What is too long for one piece is cut where it hurts least."""
    made = pieces(PARAGRAPH * 10)
    assert len(made) > 2
    assert all(piece.content.rstrip().endswith("larger.") for piece in made)


def test_no_piece_is_too_long() -> None:
    """Encoded data has neither sentences nor words, and still fits into a chunk."""
    made = pieces("the data is " + "x" * 200_000)
    assert len(made) > 1
    assert max(len(piece.content) for piece in made) < 50_000


def test_badges_are_left_out() -> None:
    """A row of badges has nothing to say."""
    badges = "[![PyPI](https://img.example/v/a.svg)](https://pypi.example/a)"
    (piece,) = pieces(f"{badges}\n\n{PARAGRAPH}")
    assert "badge" not in piece.content
    assert "img.example" not in piece.content


def test_folder(tmp_path: Path) -> None:
    """A folder's texts are read once each; what is too short, or no text, is left out."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "guide.md").write_text(PARAGRAPH)
    (tmp_path / "copy.txt").write_text(PARAGRAPH)
    (tmp_path / "short.md").write_text("too short")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG" * 100)
    (tmp_path / "odd.rst").write_bytes(b"NUL \0, latin-1 \xe9, " + PARAGRAPH.encode())
    texts = corpus.folder(tmp_path)
    assert len(texts) == 2
    odd = next(text for text in texts if text.uri == "odd.rst")
    assert "\0" not in odd.content
    odd.content.encode()
    assert len(odd.content_hash) == 32


def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is an error, not an empty corpus."""
    with pytest.raises(NotADirectoryError, match="is not a folder"):
        corpus.folder(tmp_path / "nowhere")


def test_default_corpus() -> None:
    """The installed distributions have descriptions, and the checkout its documents."""
    uris = [text.uri for text in corpus.default_corpus()]
    assert "README.md" in uris
    assert any(uri.startswith("pkg:pypi/sqlalchemy@") for uri in uris)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("# Title\n\nSome  text.", "Title Some text."),
        ("See [the docs](https://docs.example/a) now", "See the docs now"),
        ("[![b](https://img.example/b.svg)](https://x.example) **Bold** `code`", "Bold code"),
        ("one two three four five", "one two three …"),
        ("abcdefghijklmnopqrst", "abcdefghijklmno …"),
    ],
)
def test_excerpt(content: str, line: str) -> None:
    """An excerpt is one line without markup, cut after a word."""
    assert excerpt(content, 15 if "…" in line else 100) == line


def test_quoted_output_is_left_out(tmp_path: Path) -> None:
    """What a program printed answers no question, so it is not to be a hit."""
    words = "A guide to the command, in as many words as a document needs to count as one at all."
    (tmp_path / "guide.md").write_text(f"{words}\n\n```text\nstarted in 2 s\n```\n\n```sh\nrun it\n```\n")
    (found,) = corpus.folder(tmp_path)
    assert found.content == f"{words}\n\n\n\n```sh\nrun it\n```"
