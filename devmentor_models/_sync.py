"""Generate the sync flavour of the library, and of its tests, from the async source.

``python devmentor_models/_sync.py`` rewrites, ``--check`` only compares and exits 1 on a difference. Every
``name_async.py`` becomes ``name.py``: the words of asynchrony go, ``AsyncX`` becomes ``X``, and ruff formats
the rest. Async modules are thin shells on purpose, so that this stays a table of words.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEADER = "# Generated from {source} by `python devmentor_models/_sync.py`. Do not edit.\n"

#: In order: (pattern, replacement).
WORDS = [
    (
        r"^from sqlalchemy\.ext\.asyncio import AsyncSession, create_async_engine$",
        "from sqlalchemy import create_engine\nfrom sqlalchemy.orm import Session",
    ),
    (
        r"^from sqlalchemy\.ext\.asyncio import AsyncEngine, create_async_engine$",
        "from sqlalchemy import Engine, create_engine",
    ),
    (r"\bself\._?home\.(at_once|start|finish)\((.*)\)$", r"\2"),
    (r"\bcreate_async_engine\b", "create_engine"),
    (r"\.sync_(session|engine)\b", ""),
    (r"\b([\w.]+)\.run_sync\(\s*([\w.]+)", r"\2(\1"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait (?=[\w(\[])", ""),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"^import asyncio$", "import time"),
    (r"\bawait_all\b", "run_all"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bAsyncIterator\[", "Iterator["),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\baclosing\b", "closing"),
    (r"\banext\b", "next"),
    (r"\bsqlalchemy\.ext\.asyncio import AsyncSession\b", "sqlalchemy.orm import Session"),
    (r"\basync_(session|database|engine|creator|balanced)\b", r"\1"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"(?<=\w)_async\b", ""),
    (r"\ban (?=(transaction|session|database|repository)\b)", "a "),
    (r"\b(await|async) ", ""),
]


def sources() -> list[Path]:
    """Return every async source file of the package and its tests."""
    found = [*ROOT.glob("devmentor_models/**/*_async.py"), *ROOT.glob("tests/**/*_async.py")]
    return sorted(path for path in found if "support" not in path.parts)


def transform(text: str) -> str:
    """Return the sync form of an async module's text."""
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


def formatted(text: str, target: Path) -> str:
    """Fix and format, as ruff is configured for ``target``."""
    for command in (["check", "--fix-only", "--quiet"], ["format", "--quiet"]):
        text = subprocess.run(  # noqa: S603 - our own tool on our own text
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(target), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return text


def main(arguments: list[str]) -> int:
    """Generate or check every file; return the number of files that differed."""
    differing = 0
    for source in sources():
        target = source.with_name(source.name.replace("_async", ""))
        fresh = formatted(HEADER.format(source=source.name) + transform(source.read_text()), target)
        if target.exists() and target.read_text() == fresh:
            continue
        differing += 1
        print(f"{'differs' if '--check' in arguments else 'wrote'}: {target.relative_to(ROOT)}")  # noqa: T201 - a command
        if "--check" not in arguments:
            target.write_text(fresh)
    return differing


if __name__ == "__main__":
    changed = main(sys.argv[1:])
    sys.exit(bool(changed) and "--check" in sys.argv)
