"""``devmentor-db context-key``: make the database accept signed contexts only."""

from __future__ import annotations

from typing import Annotated

import typer

from devmentor_models.cli.target import URL_VARIABLE, resolve


def context_key(
    generate: Annotated[
        bool, typer.Option("--generate", help="Only print a fresh key; change nothing.")
    ] = False,
    off: Annotated[bool, typer.Option("--off", help="Believe every context again; forget the keys.")] = False,
    url: Annotated[
        str | None,
        typer.Option(
            envvar=URL_VARIABLE,
            show_envvar=True,
            show_default=False,
            help="The database, as who migrates it.",
        ),
    ] = None,
) -> None:
    """Accept only contexts signed with DEVMENTOR_CONTEXT_KEY, so that injected SQL cannot be another user.

    Give the services the key first. To change it: services and database get "new,old", then "new".
    """
    from devmentor_models.errors import ConfigurationError  # noqa: PLC0415 - slow to import
    from devmentor_models.kit.keys import generate_key  # noqa: PLC0415 - likewise
    from devmentor_models.kit.variables import variable  # noqa: PLC0415 - likewise
    from devmentor_models.migrations import context_keys  # noqa: PLC0415 - likewise
    from devmentor_models.security.signing import (  # noqa: PLC0415 - likewise
        KEY_VARIABLE,
        ContextKeys,
    )

    if generate and off:
        raise ConfigurationError("--generate makes a key, --off wants none: one of them.")
    if generate:
        typer.echo(generate_key())
        return
    target = resolve(url)
    if off:
        context_keys.remove(target.url)
        typer.echo("Contexts are not signed: whoever can run SQL as a service can say who acts.")
        return
    text = variable(KEY_VARIABLE)
    if not text:
        raise ConfigurationError(
            f"{KEY_VARIABLE} is not set. A fresh key: devmentor-db context-key --generate"
        )
    found = ", ".join(context_keys.install(target.url, ContextKeys.from_text(text)))
    typer.echo(
        f"Only signed contexts count from now on. Accepted, by fingerprint, the signing one first: {found}"
    )
