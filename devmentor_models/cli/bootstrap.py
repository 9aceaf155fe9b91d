"""``devmentor-db bootstrap``: the one thing that needs an administrator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from devmentor_models.cli.target import URL_VARIABLE, note, resolve


def bootstrap(
    login: Annotated[
        str | None, typer.Option(help="A role that shall run migrations; it becomes a member of the owner.")
    ] = None,
    print_sql: Annotated[
        bool, typer.Option("--print-sql", help="Change nothing; print what an administrator would run.")
    ] = False,
    secrets: Annotated[
        Path,
        typer.Option(
            envvar="DEVMENTOR_SECRETS_DIR",
            show_envvar=True,
            help="Where to make the key that signs who acts, for a new database.",
        ),
    ] = Path("devmentor-secrets"),
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Make no such key: whoever can run SQL can say who acts.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(
            envvar=URL_VARIABLE, show_envvar=True, show_default=False, help="The database, as administrator."
        ),
    ] = None,
) -> None:
    """Make roles, extensions and the owner's rights, once per database, as its administrator."""
    from devmentor_models import migrate  # noqa: PLC0415 - slow to import
    from devmentor_models.migrations.bootstrap import script  # noqa: PLC0415 - likewise

    target = resolve(url)
    if print_sql:
        steps = migrate.plan_bootstrap(target.url, login=login)
        typer.echo(script(steps)) if steps else note("Nothing was missing.")
        return
    done = migrate.bootstrap(target.url, login=login)
    for step in done:
        typer.echo(f"Made: {step.what}.")
    left = migrate.plan_bootstrap(target.url, login=login)
    for step in left:
        typer.echo(f"Left, for a superuser; migrations do without: {step.what}.")
    if not done and not left:
        typer.echo("Nothing was missing.")
    if not unsigned and migrate.current(target.url) is None:
        _make_key(secrets.absolute())


def _make_key(folder: Path) -> None:
    """Make the key for a database that is yet to be made, unless there is one, and say where it goes."""
    from devmentor_models.cli.secrets import CONTEXT_KEY, make  # noqa: PLC0415 - slow to import
    from devmentor_models.kit.keys import generate_key  # noqa: PLC0415 - likewise
    from devmentor_models.kit.variables import SECRETS_VARIABLE, variable  # noqa: PLC0415 - likewise
    from devmentor_models.security.signing import KEY_VARIABLE  # noqa: PLC0415 - likewise

    where = "for `devmentor-db upgrade`, which brings it into the database, and for every service"
    if variable(KEY_VARIABLE):
        typer.echo(f"{KEY_VARIABLE} signs who acts: set it {where}.")
        return
    path = folder / CONTEXT_KEY
    typer.echo(f"{'Made' if make(path, generate_key) else 'Found'}: the key that signs who acts, in {path}.")
    typer.echo(f"Set {SECRETS_VARIABLE}={folder}, or {KEY_VARIABLE} to what the file holds, {where}.")
