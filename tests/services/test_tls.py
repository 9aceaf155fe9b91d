# Generated from test_tls_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""TLS to a real server: what must be refused is refused at once, typed, with what to do (DESIGN §6)."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from devmentor_models import Actor, Database, Transaction
from devmentor_models.errors import InsecureConnection
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.tls import PLAINTEXT_VARIABLE
from tests.services.conftest import HOST, TlsServer
from tests.support.certificates import CERTIFICATE, KEY

pytestmark = [pytest.mark.anyio, pytest.mark.services]

KILL = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name")


def secured(url: str) -> bool:
    """Use the database, and return whether that went through TLS."""
    with Database.from_url(url, pool_min=0, pool_max=1) as database:
        with database.begin(Actor.service("auth")) as tx:
            tx.session.add(UserFactory.build())
        with database._pool.connection() as connection:
            return bool(connection.pgconn.ssl_in_use)


def refused(url: str) -> str:
    """Return why the database cannot be used; it says so long before the pool gives up waiting."""
    began = time.monotonic()
    with pytest.raises(InsecureConnection) as caught:
        secured(url)
    assert time.monotonic() - began < 5
    assert not caught.value.retryable
    assert "change sslmode" not in str(caught.value)  # libpq's own advice
    return str(caught.value)


def test_the_right_server_is_used_through_tls(tls_server: TlsServer) -> None:
    """Certificate and name are right: everything works, encrypted, without any setting but the CA."""
    assert secured(tls_server.url())


def test_a_url_works_as_the_connection_string_does(tls_server: TlsServer) -> None:
    """The CA and the address stand in the query of a URL."""
    at = tls_server._at
    query = f"hostaddr={at['hostaddr']}&sslrootcert={tls_server.ca.certificate}"
    url = f"postgresql+psycopg://{at['user']}@{HOST}:{at['port']}/{at['dbname']}?{query}"
    assert secured(url)


def test_another_ca_is_refused(tls_server: TlsServer) -> None:
    """A certificate of somebody else's CA is refused, and the error names `sslrootcert`."""
    said = refused(tls_server.url(sslrootcert=tls_server.stranger.certificate))
    assert "not from a CA that is trusted here" in said
    assert "sslrootcert=" in said


def test_another_host_name_is_refused(tls_server: TlsServer) -> None:
    """A certificate for another host is refused, though its CA is trusted."""
    said = refused(tls_server.url(host="other.devmentor.test"))
    assert "certificate is for another host" in said
    assert HOST in said


def test_an_address_without_a_name_is_refused(tls_server: TlsServer) -> None:
    """Without a host there is nothing to compare the certificate with; the error says what to add."""
    assert "hostaddr=" in refused(tls_server.url(host="", sslmode="verify-full"))


def test_a_server_without_tls_is_refused(plaintext_server: dict[str, str], tls_server: TlsServer) -> None:
    """Nobody between us and the server can talk us into plaintext."""
    url = make_conninfo("", **plaintext_server, host=HOST, sslrootcert=str(tls_server.ca.certificate))
    assert "offers no TLS" in refused(url)


def test_plaintext_is_possible_where_the_network_is_trusted(
    plaintext_server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for twice, in the URL and by the variable, plaintext is used."""
    monkeypatch.setenv(PLAINTEXT_VARIABLE, "1")
    assert not secured(make_conninfo("", **plaintext_server, host=HOST, sslmode="disable"))


def test_a_server_that_wants_tls_refuses_plaintext(
    tls_server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the server insists the error says which parameter to remove."""
    monkeypatch.setenv(PLAINTEXT_VARIABLE, "1")
    assert "Remove sslmode=disable" in refused(tls_server.url(sslmode="disable"))


def test_an_expired_certificate_is_refused(devmentor_url: str, tls_server: TlsServer, tmp_path: Path) -> None:
    """A certificate of yesterday is refused."""
    from tests.support import pgbouncer  # noqa: PLC0415 - this test alone runs one of its own

    old = tls_server.ca.issue(tmp_path / "old", HOST, valid_days=-1)
    settings: dict[str, str | Path] = {
        "client_tls_sslmode": "require",
        "client_tls_key_file": old / KEY,
        "client_tls_cert_file": old / CERTIFICATE,
    }
    with pgbouncer.running(devmentor_url, settings) as at:
        url = make_conninfo("", **at, host=HOST, sslrootcert=str(tls_server.ca.certificate))
        assert "has expired" in refused(url)


@pytest.mark.parametrize("sslrootcert", ["", "/nonexistent/ca.pem"])
def test_without_a_ca_the_error_says_where_to_get_it(
    tls_server: TlsServer, sslrootcert: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a user of a hosted database meets first: no CA's file, neither given nor where libpq looks."""
    if not sslrootcert:
        monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "root.crt"))
    said = refused(tls_server.url(sslrootcert=sslrootcert))
    assert "No CA certificate can be read" in said
    assert "sslrootcert=/path/ca.pem" in said
    assert "/etc/ssl/certs/ca-certificates.crt" in said


def test_libpqs_variable_names_the_ca(tls_server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGSSLROOTCERT does instead of the parameter in the URL."""
    monkeypatch.setenv("PGSSLROOTCERT", str(tls_server.ca.certificate))
    assert secured(tls_server.url(sslrootcert=""))


def test_the_systems_authorities_do_not_know_ours(tls_server: TlsServer) -> None:
    """`sslrootcert=system` trusts public authorities alone."""
    assert "SSL_CERT_FILE" in refused(tls_server.url(sslrootcert="system"))


def test_a_client_certificate_is_used(client_certificate_server: TlsServer) -> None:
    """`sslcert` and `sslkey` in the URL name the user."""
    server = client_certificate_server
    issued = server.ca.issue(server.folder / uuid4().hex, server._at["user"])
    assert secured(server.url(sslcert=issued / CERTIFICATE, sslkey=issued / KEY))


def test_a_missing_or_foreign_client_certificate_is_refused(
    client_certificate_server: TlsServer,
) -> None:
    """The error names the parameters that give the certificate."""
    server = client_certificate_server
    issued = server.stranger.issue(server.folder / uuid4().hex, server._at["user"])
    assert "sslcert=" in refused(server.url())
    assert "sslcert=" in refused(server.url(sslcert=issued / CERTIFICATE, sslkey=issued / KEY))


def test_a_client_key_that_others_may_read_is_refused(client_certificate_server: TlsServer) -> None:
    """Libpq wants the key to be private; the error says so."""
    server = client_certificate_server
    issued = server.ca.issue(server.folder / uuid4().hex, server._at["user"])
    (issued / KEY).chmod(0o644)
    said = refused(server.url(sslcert=issued / CERTIFICATE, sslkey=issued / KEY))
    assert "group or world access" in said


def test_a_connection_lost_under_tls_is_retried(tls_server: TlsServer, devmentor_url: str) -> None:
    """A broken secured connection is a lost one, not an insecure one: `run` repeats the work."""
    name = f"tls-{uuid4().hex[:8]}"
    calls: list[int] = []

    def work(tx: Transaction) -> int:
        calls.append(1)
        tx.session.execute(text("SELECT 1"))
        if len(calls) == 1:
            with killer.begin(Actor.service("auth")) as other:
                other.session.execute(KILL, {"name": name})
            tx.session.execute(text("SELECT 1"))
        return len(calls)

    with Database.from_url(devmentor_url, application_name="killer") as killer:
        with Database.from_url(tls_server.url(), pool_min=1, application_name=name) as database:
            assert database.run(work, actor=Actor.service("auth")) == 2


def test_a_pool_tells_why_it_cannot_connect_any_more(
    devmentor_url: str, tls_server: TlsServer, tmp_path: Path
) -> None:
    """A CA that goes wrong while the service runs is named, once the wait for a connection is over."""
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(tls_server.ca.certificate.read_bytes())
    url = tls_server.url(sslrootcert=trusted)
    with Database.from_url(url, pool_min=0, pool_max=1, pool_timeout_seconds=1) as database:
        trusted.write_bytes(tls_server.stranger.certificate.read_bytes())
        with pytest.raises(InsecureConnection, match="not from a CA"):
            with database.begin(Actor.service("auth")):
                pass
        with pytest.raises(InsecureConnection, match="not from a CA"):
            database.verify_schema()
        trusted.write_bytes(tls_server.ca.certificate.read_bytes())
        # The pool tries again after 1, 2, 4 … seconds, so some more may run out of time.
        for _ in range(20):
            with suppress(InsecureConnection):
                database.verify_schema()
                break
        with database.begin(Actor.service("auth")) as tx:
            assert (tx.session.execute(text("SELECT 1"))).scalar_one() == 1
