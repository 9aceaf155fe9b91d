"""Everything one does with this checkout: `nox -s quickstart`, `nox -s tests`, `nox --list` for the rest.

Each session has its own environment under `.nox`, filled from the pins in `requirements/` (hashes checked)
and kept until those pins or `pyproject.toml` change. `./dev <session>` does the same without nox installed.
"""

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PINS = {  # requirements file: what it pins
    "package": ["pyproject.toml", "--extra=embedded"],
    "quickstart": ["pyproject.toml", "--extra=quickstart", "--group=build"],
    "tests": ["pyproject.toml", "--extra=testing", "--extra=quickstart", "--group=test", "--group=build"],
    "bench": ["pyproject.toml", "--extra=embedded", "--group=bench", "--group=build"],
    "langchain": ["--group=langchain"],  # beside us, in an environment of its own
    "types": ["pyproject.toml", "--extra=testing", "--extra=quickstart", "--group=checked"],
    "lint": ["--group=lint"],
    "build": ["--group=build"],
    "nox": ["--group=nox"],  # what ./dev installs
}
#: Debian's package with pgAudit and the PostgreSQL that it is for.
PGAUDIT = "postgresql-15-pgaudit"
#: Where Debian has PgBouncer is not on every user's PATH.
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "virtualenv"  # pip knows every user's own pip configuration; uv does not
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]


def install(session: nox.Session, pins: str, *, project: bool = True) -> None:
    """Fill the session's environment from `requirements/<pins>.txt` and with the checkout, once."""
    # Tests start many processes; where an image forbids bytecode, each would compile all of our code anew.
    session.env["PYTHONDONTWRITEBYTECODE"] = ""
    requirements = ROOT / "requirements" / f"{pins}.txt"
    state = hashlib.sha256(requirements.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = Path(session.virtualenv.location) / "devmentor-state.txt"
    if stamp.exists() and stamp.read_text() == state:
        return
    stamp.unlink(missing_ok=True)
    session.install("--require-hashes", "-r", str(requirements))
    if project:
        session.install("--no-deps", "--no-build-isolation", "-e", ".")
    stamp.write_text(state)


@nox.session
def quickstart(session: nox.Session) -> None:
    """Start the embedded PostgreSQL, migrate it, load a real corpus and search it."""
    install(session, "quickstart")
    session.run("python", "-m", "devmentor_models.cli.quickstart", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests in parallel; without arguments also measure the coverage and hold it to its floor."""
    install(session, "tests")
    coverage = [] if session.posargs else ["--cov", "--cov-report=term:skip-covered"]
    session.run("pytest", "-n", "auto", *coverage, *session.posargs)


@nox.session(default=False)
def long(session: nox.Session) -> None:
    """Run the tests that take long by nature: kills, forgeries, whole lines of revisions, runs in runs."""
    install(session, "tests")
    session.run("pytest", "-n", "auto", "-m", "long", *session.posargs)


@nox.session(default=False)
def matrix(session: nox.Session) -> None:
    """Try every kind of schema change, both ways; `tests` tries some."""
    install(session, "tests")
    session.run("pytest", "-n", "auto", "-m", "matrix", "tests/migrations/test_matrix.py", *session.posargs)


@nox.session(default=False)
def mirror(session: nox.Session) -> None:
    """Kill the worker of the vector mirror again and again, as a process; `tests` does so step by step."""
    install(session, "tests")
    session.run("pytest", "-m", "kills", "tests/memory/test_mirror_kills.py", *session.posargs)


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Break, cut and cancel connections at every message and at every turn; `tests` does so at some."""
    install(session, "tests")
    session.run("pytest", "-n", "auto", "-m", "faults", "tests/faults", *session.posargs)


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Let a hundred clients work for DEVMENTOR_SOAK_SECONDS (600) while the server and they are sabotaged."""
    install(session, "tests")
    session.run("pytest", "-s", "-m", "soak", "tests/soak", *session.posargs)


@nox.session(default=False)
def access(session: nox.Session) -> None:
    """Play thousands of random sequences of calls against the model of access; `tests` plays some."""
    install(session, "tests")
    thorough = {"HYPOTHESIS_PROFILE": "thorough"}
    session.run("pytest", "tests/security/test_model_of_access.py", *session.posargs, env=thorough)


@nox.session(default=False)
def values(session: nox.Session) -> None:
    """Call every method of the repositories with thousands of hostile values; `tests` tries some."""
    install(session, "tests")
    thorough = {"HYPOTHESIS_PROFILE": "thorough"}
    names = ("hostile_arguments", "hostile_arguments_async", "exact_values")
    files = [f"tests/core/test_{name}.py" for name in names]
    session.run("pytest", "-n", "auto", *files, *session.posargs, env=thorough)


@nox.session
def services(session: nox.Session) -> None:
    """Run the tests that need PgBouncer or pgAudit. Root on Debian gets them installed."""
    folder = Path("/usr/lib/postgresql")
    if os.geteuid() == 0 and shutil.which("apt-get"):
        missing = [] if shutil.which("pgbouncer", path=SYSTEM_PATH) else ["pgbouncer"]
        missing += [] if any(folder.glob("*/lib/pgaudit.so")) else [PGAUDIT]
        if missing:
            session.run("apt-get", "-qq", "update", external=True)
            command = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing]
            session.run(*command, external=True, env={"DEBIAN_FRONTEND": "noninteractive"})
    if not shutil.which("pgbouncer", path=SYSTEM_PATH):
        session.skip("There is no pgbouncer, so its tests are left out: sudo apt install pgbouncer")
    left_out = []
    if not any(folder.glob("*/lib/pgaudit.so")):
        session.log(f"There is no pgAudit, so its test is left out: sudo apt install {PGAUDIT}")
        left_out = ["--ignore=tests/services/test_pgaudit.py"]
    install(session, "tests")
    session.run("pytest", "-n", "2", "-m", "services", *left_out, *(session.posargs or ["tests/services"]))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and that the generated sync modules are fresh."""
    install(session, "lint", project=False)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("python", "devmentor_models/_sync.py", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy --strict and with pyright."""
    install(session, "types", project=False)
    session.run("mypy")
    session.run("pyright", env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})


@nox.session
def bench(session: nox.Session) -> None:
    """Compare our reads, writes and logins with bare psycopg, a plain ORM session and advanced-alchemy."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session(default=False)
def bench_security(session: nox.Session) -> None:
    """Measure what row security and signed contexts cost, on a million rows."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks.security", *session.posargs)


@nox.session(name="bench-data", default=False)
def bench_data(session: nox.Session) -> None:
    """Build a database of more than a million rows; `-- --keep DIRECTORY` leaves it to look at."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks.data", *session.posargs)


@nox.session(default=False)
def bench_queries(session: nox.Session) -> None:
    """Check plans and times of the seed's queries on that database."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks.queries", *session.posargs)


@nox.session(default=False)
def bench_memory(session: nox.Session) -> None:
    """Measure search and ingest on real text, beside langchain-postgres."""
    install(session, "bench")
    place = Path(session.virtualenv.location) / "langchain"
    python, pinned = place / "bin" / "python", ROOT / "requirements" / "langchain.txt"
    # It needs an older pgvector than we do, so it has an environment of its own.
    if not (place / "complete").exists() or (place / "complete").read_bytes() != pinned.read_bytes():
        session.run("python", "-m", "venv", "--clear", str(place))
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        session.run(*pip, "-r", str(pinned), external=True)
        (place / "complete").write_bytes(pinned.read_bytes())
    session.run("python", "-m", "benchmarks.memory", "--beside", str(python), *session.posargs)


@nox.session(default=False)
def bench_ingest(session: nox.Session) -> None:
    """Measure storing documents beside a bare binary COPY of the same rows, and its memory."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks.ingest", *session.posargs)


def fresh(session: nox.Session, place: str, wheel: Path, pinned: Path) -> str:
    """Install a wheel with its pinned dependencies in a new environment and return that one's Python."""
    session.run("python", "-m", "venv", place)
    python = f"{place}/bin/python"
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps"]
    session.run(*pip, "--require-hashes", "-r", str(pinned), external=True)
    session.run(*pip, str(wheel), external=True)
    return python


def build(session: nox.Session, work: str) -> Path:
    """Build the wheel of this checkout in a folder."""
    command = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", work]
    session.run("python", *command, str(ROOT))
    (wheel,) = Path(work).glob("*.whl")
    return wheel


@nox.session
def package(session: nox.Session) -> None:
    """Build the wheel, install it in an empty environment outside the checkout, migrate an empty database."""
    install(session, "build", project=False)
    # Outside: neither the package nor alembic.ini of the checkout is found from here.
    with tempfile.TemporaryDirectory(prefix="dm-package-") as work, session.chdir(work):
        python = fresh(session, f"{work}/venv", build(session, work), ROOT / "requirements" / "package.txt")
        session.run(python, "-W", "error", str(ROOT / ".ci" / "check_installed.py"), external=True)


@nox.session
def compatibility(session: nox.Session) -> None:
    """Run the flows of a release, `-- the.whl` or the newest in `releases/`, on this checkout's schema.

    The pins of a release stand beside its wheel, as `the.txt`; without them today's are taken.
    """
    releases = [Path(given).resolve() for given in session.posargs] or sorted(
        (ROOT / "releases").glob("*.whl"),
        key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)],
    )
    if not releases:
        session.log("There is no previous release: nothing has to keep working with this schema yet.")
        return
    previous, today = releases[-1], ROOT / "requirements" / "package.txt"
    own = previous.with_suffix(".txt")
    install(session, "build", project=False)
    with tempfile.TemporaryDirectory(prefix="dm-compatibility-") as work, session.chdir(work):
        older = fresh(session, f"{work}/older", previous, own if own.exists() else today)
        python = fresh(session, f"{work}/venv", build(session, work), today)
        session.run(python, str(ROOT / ".ci" / "compatibility.py"), older, external=True)


@nox.session(default=False)
def pins(session: nox.Session) -> None:
    """Compile `requirements/*.txt` anew from pyproject.toml; `-- --upgrade` takes newer versions."""
    session.install("uv")
    compiled = [
        "uv",
        "pip",
        "compile",
        "--universal",
        "--python-version=3.11",
        "--quiet",
        "--generate-hashes",
    ]
    # Neither the machine's own package index nor its paths belong into the repository.
    plain = ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    for name, chosen in PINS.items():
        session.run(*compiled, *plain, *chosen, f"--output-file=requirements/{name}.txt", *session.posargs)
