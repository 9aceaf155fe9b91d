"""The whole library once, on real input: start PostgreSQL, migrate, seed, register, plan, ingest, search.

``python -m devmentor_models.cli.quickstart``, or ``./dev quickstart`` in a checkout. A second run finds what
the first one made and adds only what is new.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from devmentor_models.cli.corpus import LEAST_CHARACTERS
from devmentor_models.cli.report import reported
from devmentor_models.cli.show import Show, counted
from devmentor_models.cli.target import DATABASE

if TYPE_CHECKING:
    from devmentor_models.cli.corpus import Text
    from devmentor_models.cli.embedder import Embedder
    from devmentor_models.database import Database
    from devmentor_models.embedded import EmbeddedServer

QUESTIONS = (
    "How do I store vectors in PostgreSQL and search them?",
    "How can I validate data with Python type hints?",
    "How do I write a command line program with options and help texts?",
)
HITS = 3
_TOO_SHORT = f"none is as long as {LEAST_CHARACTERS} characters"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def quickstart(
    corpus: Annotated[
        Path | None, typer.Option(help="Ingest the texts of this folder instead of the default ones.")
    ] = None,
    ask: Annotated[list[str] | None, typer.Option(help="Ask this instead of the three questions.")] = None,
) -> None:
    """Start the embedded PostgreSQL, migrate and seed it, ingest a real corpus and search it."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the corpus has letters that not every terminal has
    with reported("quickstart"):
        _run(Show(), corpus, ask or list(QUESTIONS))


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Where the quickstart works: a project of a user in a database."""

    database: Database
    user_id: UUID
    project_id: UUID


def _run(show: Show, folder: Path | None, questions: list[str]) -> None:
    from devmentor_models.cli.embedder import Embedder  # noqa: PLC0415 - --help should be quick
    from devmentor_models.database import Database  # noqa: PLC0415 - likewise

    Embedder.check()
    texts = _texts(folder)
    server = _start(show)
    _provide_keys(show, server)
    _migrate(show, server)
    with Database.from_url(server.url(DATABASE), pool_min=1) as database:
        shelf = _sign_in(show, database)
        embedder = _ingest(show, shelf, texts)
        for question in questions:
            _ask(show, shelf, embedder, question)
    _say_goodbye(show, server)


def _texts(folder: Path | None) -> list[Text]:
    """Read the corpus first: a wrong folder is told before anything is started."""
    from devmentor_models.cli import corpus  # noqa: PLC0415 - --help should be quick

    return corpus.default_corpus() if folder is None else corpus.folder(folder)


def _start(show: Show) -> EmbeddedServer:
    from devmentor_models.embedded import EmbeddedServer  # noqa: PLC0415 - --help should be quick

    with show.step() as done:
        found = EmbeddedServer.find()
        server = found or EmbeddedServer.start()
        verb = "was running" if found else "started"
        done(f"PostgreSQL {server.version} {verb} in {server.directory}")
    server.create_database(DATABASE)
    return server


def _migrate(show: Show, server: EmbeddedServer) -> None:
    from devmentor_models import migrate  # noqa: PLC0415 - --help should be quick
    from devmentor_models.cli.schema import made_anew  # noqa: PLC0415 - likewise
    from devmentor_models.kit.variables import variable  # noqa: PLC0415 - likewise
    from devmentor_models.migrations import context_keys  # noqa: PLC0415 - likewise
    from devmentor_models.security.signing import KEY_VARIABLE, ContextKeys  # noqa: PLC0415 - likewise

    with show.step() as done:
        url = server.url(DATABASE)
        before = migrate.current(url)
        if before == migrate.head():
            done(f"Database {DATABASE!r} is at the newest revision, {before}")
        else:
            with made_anew(server):
                migrate.upgrade(url)
            done(f"Database {DATABASE!r} migrated from {before or 'nothing'} to {migrate.head()}")
    if not migrate.signed(url):
        with show.step() as done:
            context_keys.install(url, ContextKeys.from_text(variable(KEY_VARIABLE)))
            done("From now on only contexts that are signed with the key count")


def _provide_keys(show: Show, server: EmbeddedServer) -> None:
    from devmentor_models.cli import secrets  # noqa: PLC0415 - --help should be quick

    for what, provide in (
        ("Key of the encrypted columns", secrets.provide_encryption_key),
        ("Key that signs who acts", secrets.provide_context_key),
    ):
        path, made = provide(server.directory)
        if path:
            show.say(f"{what} {'made and kept' if made else 'read'} in {path}")


def _sign_in(show: Show, database: Database) -> _Shelf:
    from devmentor_models import seeds  # noqa: PLC0415 - --help should be quick
    from devmentor_models.cli import account  # noqa: PLC0415 - likewise

    with show.step() as done:
        done(str(seeds.apply(database)))
    with show.step() as done:
        user_id, new = account.sign_in(database)
        done(f"{account.EMAIL} {'registered' if new else 'logged in'}")
    with show.step() as done:
        project_id, new = account.plan(database, user_id)
        tasks = sum(len(epic.tasks) for epic in account.PLAN.epics)
        made = f"created with {len(account.PLAN.epics)} epics and {tasks} tasks" if new else "found"
        done(f"Project {account.PROJECT_NAME!r} {made}")
    return _Shelf(database, user_id, project_id)


def _ingest(show: Show, shelf: _Shelf, texts: list[Text]) -> Embedder:
    from devmentor_models.cli import ingest  # noqa: PLC0415 - --help should be quick
    from devmentor_models.cli.embedder import Embedder  # noqa: PLC0415 - likewise
    from devmentor_models.security.actor import Actor  # noqa: PLC0415 - likewise
    from devmentor_models.seeds.base import EMBEDDING_MODEL  # noqa: PLC0415 - likewise

    with show.step() as done:
        embedder = Embedder.load()
        done(f"Embedding model {EMBEDDING_MODEL.name} loaded")
    actor = Actor.user(shelf.user_id)
    with shelf.database.begin(actor, readonly=True) as tx:
        found = ingest.unknown(tx, texts, shelf.project_id)
    prepared = ingest.prepare(found)
    passed_over = _passed_over(known=len(texts) - len(found), wordless=len(found) - len(prepared))
    if not prepared:
        show.say(f"No document was ingested: {passed_over or _TOO_SHORT}")
        return embedder
    began = time.perf_counter()
    with show.progress("Ingesting", sum(len(item.chunks) for item in prepared)) as advance:
        chunks = ingest.ingest(
            shelf.database,
            actor,
            shelf.project_id,
            prepared,
            embedder=embedder,
            model=EMBEDDING_MODEL.name,
            advance=advance,
        )
    seconds = time.perf_counter() - began
    show.say(
        f"{counted(len(prepared), 'document')} ingested as {counted(chunks, 'chunk')} in {seconds:.1f} s "
        f"({chunks / seconds:.0f} chunks/s, cut, embedded and stored)"
        + (f", {passed_over}" if passed_over else "")
    )
    return embedder


def _passed_over(*, known: int, wordless: int) -> str:
    """Say which documents there was nothing to do for."""
    told = [f"{known} {'was' if known == 1 else 'were'} there"] if known else []
    told += [f"{wordless} had no words"] if wordless else []
    return ", ".join(told)


def _ask(show: Show, shelf: _Shelf, embedder: Embedder, question: str) -> None:
    from devmentor_models.security.actor import Actor  # noqa: PLC0415 - --help should be quick
    from devmentor_models.seeds.base import EMBEDDING_MODEL  # noqa: PLC0415 - likewise

    began = time.perf_counter()
    (vector,) = embedder.embed([question])
    with shelf.database.begin(Actor.user(shelf.user_id)) as tx:
        hits = tx.memory.search(
            question, vector, model=EMBEDDING_MODEL.name, project_id=shelf.project_id, limit=HITS
        )
    show.hits(question, hits, 1000 * (time.perf_counter() - began))


def _say_goodbye(show: Show, server: EmbeddedServer) -> None:
    from devmentor_models.cli.secrets import context_key_of  # noqa: PLC0415 - --help should be quick

    url = server.url(DATABASE)
    secrets = context_key_of(server.directory).parent
    python = _near(Path(sys.executable))
    script = Path(sys.executable).with_name("devmentor-db")
    devmentor_db = _near(script) if script.exists() else f"{python} -m devmentor_models.cli"
    for line in (
        "",
        "How to connect",
        f"  psql: {devmentor_db} psql",
        f"  URL:  {url}",
        "What to try next",
        f"  {python} -m devmentor_models.cli.quickstart --ask 'How do I run a migration?'",
        f"  {devmentor_db} seed --demo   (two users, a project, a team and a roadmap to look at)",
        "  Save the example of README.md as service.py, then",
        f"  DEVMENTOR_DATABASE_URL='{url}' DEVMENTOR_SECRETS_DIR='{secrets}' {python} service.py",
        "How to stop PostgreSQL",
        f"  {devmentor_db} stop   (the data stay)",
    ):
        show.say(line)


def _near(path: Path) -> str:
    """Return a path as it is typed from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


if __name__ == "__main__":
    app()
