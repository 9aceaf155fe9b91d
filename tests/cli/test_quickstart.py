"""The quickstart, end to end: an embedded server of its own, a small corpus, real vectors."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from devmentor_models import Actor, Database
from devmentor_models.cli import account, secrets
from devmentor_models.embedded import EmbeddedServer
from devmentor_models.errors import ConfigurationError, SignInFailed
from devmentor_models.kit.encryption import KEYS_VARIABLE, KeyRing
from devmentor_models.testing import plugin

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-m", "devmentor_models.cli.quickstart"]

TEXTS = {
    "vectors.md": """# Vectors

To search vectors in PostgreSQL, store them in a column of type halfvec and order by their distance to the
vector of the question.""",
    "bread.md": """# Bread

Mix flour, water and salt, let the dough rest for a night, then bake it in a very hot oven until the crust is
dark.""",
    "chess.md": """# Chess

A bishop moves along diagonals, a rook along rows and columns, and the queen as either of them.""",
}


@pytest.fixture
def home() -> Iterator[Path]:
    """Yield a folder that the server's account can reach; its server is stopped afterwards."""
    base = Path(tempfile.mkdtemp(prefix="dm-", dir=plugin._base()))
    base.chmod(0o755)
    yield base
    if server := EmbeddedServer.find(base / "pg"):
        server.stop()
    shutil.rmtree(base)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Return a folder with three short texts."""
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a run whose server lives in ``home``."""
    kept = {name: value for name, value in os.environ.items() if name != KEYS_VARIABLE}
    return kept | {"DEVMENTOR_EMBEDDED_DIR": str(home / "pg"), "COLUMNS": "120"}


@pytest.fixture
def run(home: Path) -> Run:
    """Return a function that runs the quickstart."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            [*COMMAND, *arguments], capture_output=True, text=True, env=environment(home), check=False
        )

    return run


def test_twice(run: Run, corpus: Path, home: Path) -> None:
    """The first run makes everything and finds answers; the next ones find it and add only what is new."""
    first = run("--corpus", str(corpus), "--ask", "How do I search vectors?", "--ask", "How is bread baked?")
    assert (first.returncode, first.stderr) == (0, "")
    for expected in (
        "PostgreSQL 18",
        "migrated from nothing to",
        "made and kept in",
        "templates created",
        "quickstart@example.com registered",
        "created with 2 epics and 4 tasks",
        "3 documents ingested as 3 chunks",
        "How to connect",
        "How to stop PostgreSQL",
    ):
        assert expected in first.stdout
    answers = [line for line in first.stdout.splitlines() if line.startswith("│ 1 │")]
    assert [answer.split("│")[2].strip() for answer in answers] == ["vectors.md", "bread.md"]

    (corpus / "tea.md").write_text(
        "# Tea\n\nPour hot water over the leaves, wait for three minutes, and drink it while it is hot."
    )
    second = run("--corpus", str(corpus), "--ask", "How is tea made?")
    assert (second.returncode, second.stderr) == (0, "")
    for expected in (
        "was running",
        "is at the newest revision",
        "Key of the encrypted columns read",
        "everything was there",
        "quickstart@example.com logged in",
        "'Bookshelf' found",
        "1 document ingested as 1 chunk in",
        "3 were there",
    ):
        assert expected in second.stdout

    key = home / "pg" / "encryption-key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    server = EmbeddedServer.find(home / "pg")
    assert server
    with psycopg.connect(server.url().replace("+psycopg", "")) as connection:
        counted = connection.execute(
            "SELECT (SELECT count(*) FROM memory.chunks), (SELECT count(*) FROM memory.embeddings_meta),"
            " (SELECT count(*) FROM auth.user_sessions), (SELECT count(*) FROM memory.search_history)"
        ).fetchone()
        assert counted == (4, 4, 1, 3)
        (name,) = connection.execute("SELECT full_name FROM auth.users").fetchone() or (b"",)
    assert b"Quick Start" not in name


def test_next_to_nothing_to_ingest(run: Run, tmp_path: Path) -> None:
    """What is not stored is not said to be there, and a second run adds nothing."""
    (tmp_path / "short.md").write_text("Too short.")
    done = run("--corpus", str(tmp_path), "--ask", "What is there?")
    assert (done.returncode, done.stderr) == (0, "")
    assert "No document was ingested: none is as long as 80 characters\n" in done.stdout
    assert "Nothing was found." in done.stdout
    (tmp_path / "rule.md").write_text("-" * 100)
    (tmp_path / "bread.md").write_text(TEXTS["bread.md"])
    done = run("--corpus", str(tmp_path), "--ask", "How is bread baked?")
    assert "1 document ingested as 1 chunk" in done.stdout
    assert done.stdout.count("1 had no words") == 1
    done = run("--corpus", str(tmp_path), "--ask", "How is bread baked?")
    assert "No document was ingested: 1 was there, 1 had no words\n" in done.stdout


def test_folder_that_is_not_there(run: Run, home: Path) -> None:
    """A wrong folder is told in one line, before anything is started."""
    done = run("--corpus", str(home / "nowhere"))
    assert done.returncode == 1
    assert done.stderr == f"quickstart: {home / 'nowhere'} is not a folder\n"
    assert EmbeddedServer.find(home / "pg") is None


def test_leftovers_in_the_way(run: Run, corpus: Path, home: Path) -> None:
    """Somebody else's folder is left alone, and the line says what to do."""
    (home / "pg").mkdir()
    (home / "pg" / "thesis.txt").write_text("mine")
    done = run("--corpus", str(corpus))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "thesis.txt" in done.stderr
    assert [path.name for path in (home / "pg").iterdir()] == ["thesis.txt"]


def test_missing_extra(home: Path, corpus: Path) -> None:
    """Without the model, the message says what to install, before anything is started."""
    code = (
        "import sys; sys.modules['wordllama'] = None; sys.argv[1:] = ['--corpus', sys.argv[1]]\n"
        "from devmentor_models.cli.quickstart import app; app()"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code, str(corpus)],
        capture_output=True,
        text=True,
        env=environment(home),
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "devmentor-models[quickstart]" in done.stderr


def test_ctrl_c(run: Run, corpus: Path, home: Path) -> None:
    """An interrupted run leaves whole documents and no traceback; the next one goes on from there."""
    for number in range(1200):
        (corpus / f"many-{number}.md").write_text(
            f"# Note {number}\n\nNumber {number} has been written down. " * 4
        )
    running = subprocess.Popen(  # noqa: S603 - our own command
        [*COMMAND, "--corpus", str(corpus)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home) | {"PYTHONUNBUFFERED": "1"},
    )
    assert running.stdout
    while "Ingesting" not in (line := running.stdout.readline()):
        assert line, "it ended before it could be interrupted"
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert errors == "quickstart: interrupted\n"
    server = EmbeddedServer.find(home / "pg")
    assert server
    with psycopg.connect(server.url().replace("+psycopg", ""), autocommit=True) as connection:
        halves = (
            "SELECT (SELECT count(*) FROM memory.documents d WHERE NOT EXISTS"
            "   (SELECT FROM memory.chunks c WHERE c.document_id = d.id)),"
            " (SELECT count(*) FROM memory.chunks c WHERE NOT EXISTS"
            "   (SELECT FROM memory.embeddings_meta e WHERE e.chunk_id = c.id)),"
            " (SELECT count(*) BETWEEN 1 AND 1202 FROM memory.documents)"
        )
        assert connection.execute(halves).fetchone() == (0, 0, True)


def test_key_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is made once; a key in the environment goes first."""
    monkeypatch.setenv(KEYS_VARIABLE, "")
    path, made = secrets.provide_encryption_key(tmp_path)
    key = os.environ[KEYS_VARIABLE]
    KeyRing.from_text(key)
    assert (path, made) == (tmp_path / "encryption-key", True)
    monkeypatch.setenv(KEYS_VARIABLE, "")
    assert secrets.provide_encryption_key(tmp_path) == (path, False)
    assert os.environ[KEYS_VARIABLE] == key
    assert secrets.provide_encryption_key(tmp_path / "other") == (None, False)


def test_key_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that others can read, or a link to another file, is refused."""
    monkeypatch.setenv(KEYS_VARIABLE, "")
    path = tmp_path / "encryption-key"
    path.write_text(KeyRing.generate())
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="mode 0600"):
        secrets.provide_encryption_key(tmp_path)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        secrets.provide_encryption_key(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_an_account_with_another_password_is_left_alone(devmentor_database_url: str) -> None:
    """The first run registers it, the next ones log in; what a user changed is not overwritten."""
    with Database.from_url(devmentor_database_url, pool_min=0) as database:
        user_id, new = account.sign_in(database)
        assert new
        assert account.sign_in(database) == (user_id, False)
        with database.begin(Actor.service("auth", on_behalf_of=user_id)) as tx:
            tx.users.set_password_hash(user_id, "!")
        with pytest.raises(SignInFailed, match="another password"):
            account.sign_in(database)


def test_the_model_switches_no_logs_on() -> None:
    """Its package does so when it is imported; commands would then tell of every revision they look at."""
    said = (
        "import logging; from devmentor_models.cli.embedder import Embedder; Embedder.load();"
        "print(logging.getLogger().level, logging.getLogger().handlers)"
    )
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout.strip() == "30 []"
