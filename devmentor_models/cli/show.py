"""What the quickstart prints: steps, a progress bar, tables of hits."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from devmentor_models.memory.values import Hit, Related

EXCERPT = 110  # characters
#: How wide tables are where there is no terminal to fit.
PLAIN_WIDTH = 100
#: What an excerpt does without: pictures, tags, code fences, addresses of links, signs of markup.
_MARKUP = re.compile(
    r"!\[[^\]]*\]\([^)]*\)|<[^>]*>|```\w*|\[(?:!\[[^\]]*\]\([^)]*\))?\]\([^)]*\)|(?<=\])\([^)]*\)|[*#`|\[\]]+|[=~^-]{3,}"
)
#: Without a terminal, progress is told this often.
PARTS_TOLD = 4


class Show:
    """The quickstart's output.

    Args:
        console: Where to print; standard output by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        if console is None and not self.console.is_terminal:
            self.console.width = PLAIN_WIDTH

    def say(self, text: str = "") -> None:
        """Print a line as it is, however long: paths and commands must survive being copied."""
        self.console.print(Text(text), soft_wrap=True)

    @contextmanager
    def step(self) -> Iterator[Callable[[str], None]]:
        """Yield a function that says what a step did; its time is added."""
        began = time.perf_counter()

        def done(what: str) -> None:
            seconds = time.perf_counter() - began
            self.console.print(Text(what), Text(f" {seconds:.1f} s", style="dim"), soft_wrap=True, sep="")

        yield done

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a progress bar, or plain lines where there is no terminal; yield what moves it on."""
        if not self.console.is_terminal:
            yield self._plain_progress(what, total)
            return
        columns = [
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("chunks"),
            TimeRemainingColumn(),
        ]
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda chunks: bar.advance(task, chunks)

    def _plain_progress(self, what: str, total: int) -> Callable[[int], None]:
        done = 0

        def advance(chunks: int) -> None:
            nonlocal done
            before, done = done, done + chunks
            if before * PARTS_TOLD // total < done * PARTS_TOLD // total:
                self.say(f"{what}: {done} of {total} chunks")

        return advance

    def hits(self, question: str, hits: Sequence[Hit], milliseconds: float) -> None:
        """Print the answers to a question as a table."""
        self.say()
        self.say(question)
        if not hits:
            self.say("  Nothing was found.")
            return
        table = Table(
            caption=f"{counted(len(hits), 'hit')} in {milliseconds:.0f} ms", caption_justify="right"
        )
        table.add_column("#", justify="right")
        table.add_column("document", style="bold", max_width=20)
        table.add_column("excerpt", ratio=1, min_width=24)
        table.add_column("distance", justify="right", no_wrap=True)
        table.add_column("score", justify="right", no_wrap=True)
        table.add_column("related", style="dim", max_width=16)
        for rank, hit in enumerate(hits, 1):
            distance = "" if hit.distance is None else f"{hit.distance:.3f}"
            row = (
                str(rank),
                hit.title,
                excerpt(hit.content),
                distance,
                f"{hit.score:.4f}",
                _titles(hit.related, other_than=hit.title),
            )
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(table)


def counted(number: int, noun: str) -> str:
    """Return ``1 chunk`` or ``2 chunks``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def excerpt(content: str, length: int = EXCERPT) -> str:
    """Return the beginning of a text on one line, without markup, cut after a word."""
    line = " ".join(_MARKUP.sub(" ", content).split())
    if len(line) <= length:
        return line
    return line[: line.rfind(" ", 0, length) if " " in line[:length] else length] + " …"


def _titles(related: Sequence[Related], *, other_than: str) -> str:
    """Return the titles of related memories of other documents, each once."""
    return ", ".join(dict.fromkeys(found.title for found in related if found.title != other_than))
