"""``devmentor-db bootstrap``: the one thing that needs an administrator."""

from __future__ import annotations

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
