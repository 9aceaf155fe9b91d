"""Migrations and commands are as careful about TLS as the services are."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from devmentor_models import migrate
from devmentor_models.cli.app import app
from devmentor_models.errors import InsecureConnection
from tests.services.conftest import TlsServer

pytestmark = pytest.mark.services


def test_migrations_go_through_tls(tls_server: TlsServer) -> None:
    """The engine of the migrations reaches the right server by the same connection string."""
    assert migrate.current(tls_server.url()) == migrate.head()


def test_migrations_refuse_another_ca(tls_server: TlsServer) -> None:
    """And refuses the wrong one, in words that say what to set."""
    with pytest.raises(InsecureConnection, match="sslrootcert"):
        migrate.current(tls_server.url(sslrootcert=tls_server.stranger.certificate))


def test_commands_say_what_to_set(tls_server: TlsServer) -> None:
    """A command ends with our advice, not with libpq's to do without the check."""
    url = tls_server.url(sslrootcert="/nonexistent/ca.pem")
    done = CliRunner().invoke(app, ["current", "--url", url])
    assert done.exit_code == 1
    assert "sslrootcert=/path/ca.pem" in done.stderr
    assert "change sslmode" not in done.stderr
