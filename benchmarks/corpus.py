"""Real text with real vectors: what the Python that runs this is made of, in pieces, embedded by wordllama.

Sources, docstrings, READMEs and descriptions of the standard library and of every installed distribution. It
is made once per environment and kept under ``.nox``; it is not part of the repository.
"""

from __future__ import annotations

import hashlib
import json
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from devmentor_models.cli.chunks import pieces
from devmentor_models.cli.embedder import Embedder

CACHE = Path(__file__).parents[1] / ".nox" / "bench-corpus"
DIMENSIONS: Final = 256
#: How large pieces are; the smaller ones where the environment has too little text for the others.
WANTED_TOKENS: Final = (100, 50)
LEAST_CHARACTERS: Final = 60
MOST_CHARACTERS: Final = 2000
#: Pieces that are not stored, but asked for.
HELD_OUT: Final = 160
#: What people ask; the rest of the queries are pieces that are not stored.
QUESTIONS: Final = (
    "how do I open a file for writing in binary mode",
    "what does the context manager do when an exception is raised",
    "parse command line arguments with a default value",
    "convert a timezone aware datetime to UTC",
    "read a configuration file in TOML format",
    "run a subprocess and capture its output",
    "why is my regular expression so slow",
    "sort a list of dictionaries by one key",
    "compare two version numbers",
    "how are circular imports resolved",
    "create a temporary directory that is removed afterwards",
    "decode base64 from a URL",
    "connection pool exhausted timeout",
    "insert many rows at once",
    "register a custom type with the database driver",
    "roll back a transaction to a savepoint",
    "mock an environment variable in a test",
    "deprecated function warning and its replacement",
    "thread safe queue between producer and consumer",
    "await several coroutines and collect their results",
    "verify the signature of a certificate",
    "hash a password with a salt",
    "multiply two matrices",
    "random numbers from a normal distribution",
    "unicode normalisation of a string",
    "walk a directory tree and skip hidden files",
    "format a floating point number with two decimals",
    "serialise an object to JSON with a custom encoder",
    "cache the result of an expensive function",
    "raise an error when an argument has the wrong type",
    "how to write a plugin with entry points",
    "install a package from a wheel without network",
    "HTTP header parsing and chunked encoding",
    "escape HTML in a template",
    "measure how long a statement takes",
    "weak reference to an object that was deleted",
    "abstract base class with an abstract property",
    "what is the licence of this software",
    "split a string at the first separator",
    "copy a nested structure without sharing",
)
_SUFFIXES = {".py", ".pyi", ".md", ".rst", ".txt"}
_BATCH = 2000

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Pieces of text and their vectors.

    Attributes:
        texts: The pieces, those of one file one after the other.
        files: The file that each piece is from.
        vectors: A row of unit length for each piece.
        queries: What to search for: questions, and pieces that are not among the texts.
        query_vectors: A row of unit length for each query.
        place: The folder with ``texts.jsonl`` and ``vectors.npy``: first what is stored, then the queries.
    """

    texts: list[str]
    files: list[str]
    vectors: Vectors
    queries: list[str]
    query_vectors: Vectors
    place: Path


def load(count: int, cache: Path = CACHE) -> Corpus:
    """Return a corpus of ``count`` different pieces; made when this environment has none yet.

    Raises:
        ValueError: There is less text in the environment.
    """
    files = _files()
    state = hashlib.sha256(f"{count} {WANTED_TOKENS} {len(files)} {files[0]} {files[-1]}".encode())
    place = cache / state.hexdigest()[:16]
    if not (place / "done").exists():
        place.mkdir(parents=True, exist_ok=True)
        _make(place, files, count)
    with (place / "texts.jsonl").open(encoding="utf-8") as lines:
        pairs = [json.loads(line) for line in lines]
    texts, names = [text for _, text in pairs], [name for name, _ in pairs]
    vectors: Vectors = np.load(place / "vectors.npy")
    return Corpus(texts[:count], names[:count], vectors[:count], texts[count:], vectors[count:], place)


def _make(place: Path, files: list[Path], count: int) -> None:
    pairs: list[tuple[str, str]] = []
    for tokens in WANTED_TOKENS:
        pairs = _pieces(files, count + HELD_OUT, tokens)
        if len(pairs) == count + HELD_OUT:
            break
    else:
        raise ValueError(f"{count} pieces are wanted, and the environment has text for {len(pairs)}")
    asked = set(Random(0).sample(range(len(pairs)), HELD_OUT))  # noqa: S311 - the same ones in every run
    stored = [pair for number, pair in enumerate(pairs) if number not in asked]
    queries = [pairs[number] for number in sorted(asked)] + [("question", text) for text in QUESTIONS]
    ordered = [*stored, *queries]
    embedder = Embedder.load()
    batches = [
        np.asarray(embedder.embed([text for _, text in ordered[start : start + _BATCH]]), np.float32)
        for start in range(0, len(ordered), _BATCH)
    ]
    np.save(place / "vectors.npy", np.concatenate(batches))
    with (place / "texts.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(pair) + "\n" for pair in ordered)
    (place / "done").touch()


def _pieces(files: list[Path], count: int, tokens: int) -> list[tuple[str, str]]:
    """Return up to ``count`` different pieces with their files, in the order of the files."""
    found: dict[str, str] = {}
    with Pool() as pool:
        for name, texts in pool.imap(partial(_cut, tokens=tokens), files, chunksize=32):
            for text in texts:
                found.setdefault(text, name)
            if len(found) >= count:
                break
        pool.terminate()
    return [(name, text) for text, name in found.items()][:count]


def _files() -> list[Path]:
    """Return the texts of the standard library and of the installed distributions, well mixed."""
    found = set(_texts(Path(sysconfig.get_path("stdlib")))) | set(_texts(Path(sysconfig.get_path("purelib"))))
    files = sorted(found)
    Random(1).shuffle(files)  # noqa: S311 - as above
    return files


def _texts(root: Path) -> Iterator[Path]:
    for file in root.rglob("*"):
        if file.suffix in _SUFFIXES or file.name == "METADATA":
            yield file


def _cut(file: Path, tokens: int) -> tuple[str, list[str]]:
    """Return the file's name and its pieces, those that PostgreSQL can store."""
    text = file.read_bytes().decode("utf-8", "replace").replace("\0", "")
    found = [piece.content for piece in pieces(text, tokens)]
    name = "/".join(file.parts[-3:])
    return name, [each for each in found if LEAST_CHARACTERS <= len(each) <= MOST_CHARACTERS]
