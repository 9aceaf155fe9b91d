"""What the tests with PgBouncer share: a throw-away CA, and a PgBouncer with TLS in front of the test server.

`./dev services` runs them; the default run leaves them out, since PgBouncer is a program of the system.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from tests.support import pgbouncer
from tests.support.certificates import CERTIFICATE, KEY, Authority

#: What the server's certificate is for. No name server knows it: hostaddr says where it is.
HOST = "db.devmentor.test"


class TlsServer:
    """A PgBouncer that speaks TLS.

    Attributes:
        ca: The authority of its certificate.
        stranger: Another authority.
        folder: For further certificates.
    """

    def __init__(self, at: dict[str, str], ca: Authority, stranger: Authority, folder: Path) -> None:
        self._at = at
        self.ca = ca
        self.stranger = stranger
        self.folder = folder

    def url(self, **parameters: str | Path) -> str:
        """Return the connection string, right unless ``parameters`` say otherwise."""
        right: dict[str, str | Path] = {"host": HOST, "sslrootcert": self.ca.certificate}
        given = self._at | {name: str(value) for name, value in (right | parameters).items()}
        return make_conninfo("", **{name: value for name, value in given.items() if value})


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    """Return the authority that is trusted, and one that is not."""
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder, "ours"), Authority(folder, "stranger")


def _serve(
    url: str, folder: Path, authorities: tuple[Authority, Authority], **settings: str | Path
) -> Iterator[TlsServer]:
    ca, stranger = authorities
    issued = ca.issue(folder / "server", HOST)
    tls: dict[str, str | Path] = {
        "client_tls_sslmode": "require",
        "client_tls_key_file": issued / KEY,
        "client_tls_cert_file": issued / CERTIFICATE,
    }
    with pgbouncer.running(url, tls | settings) as at:
        yield TlsServer(at, ca, stranger, folder)


@pytest.fixture(scope="session")
def tls_server(
    devmentor_url: str, tmp_path_factory: pytest.TempPathFactory, authorities: tuple[Authority, Authority]
) -> Iterator[TlsServer]:
    """Yield a server that has a certificate and refuses plaintext."""
    yield from _serve(devmentor_url, tmp_path_factory.mktemp("tls"), authorities)


@pytest.fixture(scope="session")
def client_certificate_server(
    devmentor_url: str, tmp_path_factory: pytest.TempPathFactory, authorities: tuple[Authority, Authority]
) -> Iterator[TlsServer]:
    """Yield a server that knows its users by their certificates."""
    demands = {"client_tls_sslmode": "verify-full", "auth_type": "cert"}
    folder = tmp_path_factory.mktemp("client-certificates")
    yield from _serve(
        devmentor_url, folder, authorities, client_tls_ca_file=authorities[0].certificate, **demands
    )


@pytest.fixture(scope="session")
def plaintext_server(devmentor_url: str) -> Iterator[dict[str, str]]:
    """Yield how to reach a server that has no TLS at all."""
    with pgbouncer.running(devmentor_url, {}) as at:
        yield at
