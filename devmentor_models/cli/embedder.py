"""The quickstart's embedding model: wordllama, whose weights travel inside its wheel."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any, Self

from devmentor_models.errors import DevMentorError


class EmbedderUnavailable(DevMentorError):
    """The embedding model is not installed: pip install "devmentor-models[quickstart]"."""


class Embedder:
    """Turns texts into vectors, on this machine. Get one with `Embedder.load`."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @staticmethod
    def check() -> None:
        """Raise `EmbedderUnavailable` unless the model is installed; quick, nothing is loaded."""
        if importlib.util.find_spec("wordllama") is None:
            raise EmbedderUnavailable

    @classmethod
    def load(cls) -> Self:
        """Load the model of 256 dimensions; nothing is downloaded.

        Raises:
            EmbedderUnavailable: It is not installed.
        """
        cls.check()
        root = logging.getLogger()
        level, handlers = root.level, root.handlers[:]
        import wordllama  # noqa: PLC0415 - an extra of the quickstart alone

        # Its import switches the logs of every package on, which is for whoever runs the program to decide.
        root.setLevel(level)
        root.handlers[:] = handlers

        folder = Path(wordllama.__file__).parent
        return cls(wordllama.WordLlama.load(cache_dir=folder, disable_download=True))

    def embed(self, texts: list[str]) -> list[list[float]]:
        """Return the vector of each text."""
        vectors: list[list[float]] = self._model.embed(texts, norm=True).tolist()
        return vectors

    def count_tokens(self, texts: list[str]) -> list[int]:
        """Return how many tokens each text has."""
        return [sum(encoded.attention_mask) for encoded in self._model.tokenize(texts)]
