"""The commands of ``devmentor-db``."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from devmentor_models.cli.bootstrap import bootstrap
from devmentor_models.cli.context_key import context_key
from devmentor_models.cli.docs import docs
from devmentor_models.cli.models import models
from devmentor_models.cli.plan import plan
from devmentor_models.cli.prove import prove_isolation
from devmentor_models.cli.recall_probe import recall_probe
from devmentor_models.cli.reembed import reembed
from devmentor_models.cli.report import FAILED, complain, reported, without_passwords
from devmentor_models.cli.rotate_keys import rotate_keys
from devmentor_models.cli.sql import sql
from devmentor_models.cli.sync_qdrant import sync_qdrant
from devmentor_models.cli.target import DATABASE, URL_VARIABLE, Target, note, psql_arguments, resolve

MAX_MONTHS = 120


class Commands(TyperGroup):
    """The group of all commands: whichever fails does so with one line, and no line has a password."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        with reported():
            try:
                return super().invoke(ctx)
            except Exception as error:
                # An error of usage repeats the arguments that were not expected. Its class is click's own, or
                # that of a copy which typer brings along.
                if isinstance(message := getattr(error, "message", None), str):
                    vars(error)["message"] = without_passwords(message)
                raise


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they print local variables, such as URLs with passwords
    help="Migrate, seed, check and run the DevMentor database.",
)

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar=URL_VARIABLE,
        show_envvar=True,
        show_default=False,
        help="The database, postgresql://user:password@host:port/name. Without one: the embedded server.",
    ),
]


LockTimeout = Annotated[
    str, typer.Option(help="How long a try waits for a lock, and makes writers wait: 500ms, 2s, 1min.")
]
LockTries = Annotated[int, typer.Option(min=1, help="How often a revision is tried that gets no lock.")]

_SIGNED = "Only contexts that are signed with DEVMENTOR_CONTEXT_KEY count: every service needs it."


@app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="Where to; +1 is one further.")] = "head",
    lock_timeout: LockTimeout = "2s",
    lock_tries: LockTries = 10,
    url: Url = None,
) -> None:
    """Bring the database up to a revision, the newest one if none is given."""
    from devmentor_models import migrate  # noqa: PLC0415 - slow to import, and --help should not be
    from devmentor_models.cli.schema import made_anew  # noqa: PLC0415 - likewise

    target = resolve(url)
    before = migrate.current(target.url)
    with made_anew(target.server):
        migrate.upgrade(target.url, revision, lock_timeout=lock_timeout, lock_tries=lock_tries)
    _say_moved(target, before)
    if before is None and migrate.signed(target.url):
        note(_SIGNED)
    elif unsigned := migrate.remark_on_signing(target.url, new=before is None):
        note(unsigned)


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="Where to: -1 is one back, base removes everything.")],
    allow_data_loss: Annotated[
        bool, typer.Option("--allow-data-loss", help="Also run revisions that say they lose data.")
    ] = False,
    lock_timeout: LockTimeout = "2s",
    lock_tries: LockTries = 10,
    url: Url = None,
) -> None:
    """Take the database back to a revision."""
    from devmentor_models import migrate  # noqa: PLC0415 - slow to import

    target = resolve(url)
    before = migrate.current(target.url)
    migrate.downgrade(
        target.url,
        revision,
        allow_data_loss=allow_data_loss,
        lock_timeout=lock_timeout,
        lock_tries=lock_tries,
    )
    _say_moved(target, before)


def _say_moved(target: Target, before: str | None) -> None:
    from devmentor_models import migrate  # noqa: PLC0415 - slow to import

    after = migrate.current(target.url)
    if after == before:
        typer.echo(f"Nothing to do: the database is at {_revision(after)}.")
    else:
        typer.echo(f"From {_revision(before)} to {_revision(after)}.")
    for fault in migrate.faults_of_signing(target.url):
        note(f"{fault}.")
    if target.server:
        note("The embedded server keeps running; `devmentor-db stop` stops it.")


def _revision(revision: str | None) -> str:
    from devmentor_models import migrate  # noqa: PLC0415 - slow to import

    if revision is None:
        return "base"
    return f"{revision} (head)" if revision == migrate.head() else revision


@app.command()
def current(url: Url = None) -> None:
    """Print the database's revision, and what to run when this installation has another one."""
    from devmentor_models import migrate  # noqa: PLC0415 - slow to import
    from devmentor_models.cli.schema import remark  # noqa: PLC0415 - likewise

    target = resolve(url)
    typer.echo(_revision(migrate.current(target.url)))
    if message := remark(target):
        typer.echo(message)


@app.command()
def check(
    sql: Annotated[
        bool,
        typer.Option("--sql", help="Print SQL that removes the differences; read it first."),
    ] = False,
    url: Url = None,
) -> None:
    """Compare the database with the models: a line for each difference, exit code 1 if there is one."""
    from devmentor_models import migrate  # noqa: PLC0415 - slow to import
    from devmentor_models.cli.schema import remark  # noqa: PLC0415 - likewise

    target = resolve(url)
    if (found := migrate.current(target.url)) != migrate.head():
        typer.echo(f"The database is at {_revision(found)}, the newest revision is {migrate.head()}.")
        typer.echo((found and remark(target)) or "Run `devmentor-db upgrade`.")
        raise typer.Exit(FAILED)
    differences = [f"{part};" for part in migrate.repair(target.url)] if sql else migrate.check(target.url)
    for difference in differences:
        typer.echo(difference)
    if differences:
        raise typer.Exit(FAILED)
    typer.echo("-- Nothing to do." if sql else "The database is what the models say.")
    if unsigned := migrate.remark_on_signing(target.url):
        note(unsigned)


@app.command()
def seed(
    demo: Annotated[
        bool, typer.Option("--demo", help="Also make demo users with a project and a team.")
    ] = False,
    url: Url = None,
) -> None:
    """Load the seed data: templates and the embedding model. A second run changes nothing."""
    from devmentor_models import migrate, seeds  # noqa: PLC0415 - slow to import
    from devmentor_models.database import Database  # noqa: PLC0415 - likewise

    target = resolve(url)
    if (found := migrate.current(target.url)) != migrate.head():
        complain(f"the database is at {_revision(found)}; run `devmentor-db upgrade` first")
        raise typer.Exit(FAILED)
    with Database.from_url(target.url, pool_min=0, pool_max=1) as database:
        typer.echo(str(seeds.apply(database, demo=demo)))


@app.command()
def partitions(
    months: Annotated[int, typer.Option(min=0, max=MAX_MONTHS, help="How many months ahead.")] = 3,
    url: Url = None,
) -> None:
    """Create the monthly partitions that are missing, and print them. Run it once a month at least."""
    import psycopg  # noqa: PLC0415 - slow to import

    from devmentor_models.settings import conninfo  # noqa: PLC0415 - likewise

    with psycopg.connect(conninfo(resolve(url).url, connect_timeout=10)) as connection:
        made = connection.execute("SELECT devmentor.ensure_partitions(%s)", [months]).fetchall()
    for (name,) in made:
        typer.echo(name)
    if not made:
        note("No partition was missing.")


@app.command()
def start(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Also listen on this port of 127.0.0.1.")
    ] = None,
) -> None:
    """Start the embedded PostgreSQL, making it first if need be, and say how to connect."""
    from devmentor_models.embedded import EmbeddedServer  # noqa: PLC0415 - slow to import

    server = EmbeddedServer.start(port=port)
    server.create_database(DATABASE)
    status()
    if port:
        typer.echo(
            f"Port: {port} on 127.0.0.1; the password of postgres is in {server.directory / 'password'}"
        )


@app.command()
def stop() -> None:
    """Stop the embedded PostgreSQL; its data stay."""
    from devmentor_models.embedded import EmbeddedServer, default_directory  # noqa: PLC0415 - slow to import

    server = EmbeddedServer.find()
    if server is None:
        typer.echo(f"No embedded server is running in {default_directory()}.")
        return
    server.stop()
    typer.echo(f"Stopped. The data stay in {server.directory}; `devmentor-db start` brings them back.")


@app.command()
def status() -> None:
    """Say whether the embedded PostgreSQL runs, and how to connect; exit code 1 if it does not."""
    from devmentor_models.embedded import EmbeddedServer, default_directory  # noqa: PLC0415 - slow to import

    server = EmbeddedServer.find()
    if server is None:
        typer.echo(f"No embedded server is running in {default_directory()}.")
        raise typer.Exit(FAILED)
    typer.echo(f"PostgreSQL {server.version} runs in {server.directory} (process {server.pid}).")
    typer.echo(f"URL:  {server.url(DATABASE)}")
    typer.echo(f"psql: {server.psql_command(DATABASE)}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context, url: Url = None) -> None:
    """Open psql on the database; further arguments are psql's own."""
    arguments, environment = psql_arguments(resolve(url).url)
    os.execve(arguments[0], [*arguments, *context.args], environment)  # noqa: S606 - psql is what was asked for


@app.command("new-key")
def new_key() -> None:
    """Print a new key for encrypted columns, as DEVMENTOR_ENCRYPTION_KEYS takes it."""
    from devmentor_models.kit.encryption import KeyRing  # noqa: PLC0415 - slow to import

    typer.echo(KeyRing.generate())


app.command()(bootstrap)
app.command("context-key")(context_key)
app.command()(docs)
app.command()(sql)
app.command()(plan)
app.command("prove-isolation")(prove_isolation)
app.command("rotate-keys")(rotate_keys)
app.add_typer(models, name="models")
app.command()(reembed)
app.command("recall-probe")(recall_probe)
app.command("sync-qdrant")(sync_qdrant)
