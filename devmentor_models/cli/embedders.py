"""Which function makes vectors: the quickstart's model, or one of the operator's own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

#: The model that travels with the quickstart extra.
BUILT_IN = "wordllama"


def load_embedder(given: str) -> Callable[[Sequence[str]], Sequence[Sequence[float]]]:
    """Return what ``package.module:callable`` names, or the quickstart's embedder for ``wordllama``.

    Modules are looked for in the current folder, too.

    Raises:
        ConfigurationError: There is nothing of that name to call.
        EmbedderUnavailable: The quickstart's model is not installed.
    """
    if given == BUILT_IN:
        from devmentor_models.cli.embedder import Embedder  # noqa: PLC0415 - an extra

        embed = Embedder.load().embed
        return lambda texts: embed(list(texts))
    from devmentor_models.errors import ConfigurationError  # noqa: PLC0415 - imports SQLAlchemy

    module, _, name = given.partition(":")
    if not module or not name:
        raise ConfigurationError(f"--embedder is to be package.module:callable or {BUILT_IN}: {given}")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"--embedder {given}: {error}") from error
    if not callable(found):
        raise ConfigurationError(f"--embedder {given}: it cannot be called")
    return found  # type: ignore[no-any-return] # what it returns is checked vector by vector
