"""TLS to the database: required for every other machine, and what to do when it cannot be had (DESIGN §6).

libpq does the checking. Here stands which hosts need it, and what its refusals mean for whoever sets up a
service. libpq's own advice is to switch the checking off; ours is not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address

from psycopg import OperationalError

from devmentor_models.errors import ConfigurationError, InsecureConnection
from devmentor_models.kit.variables import variable

#: Set to 1 where the network itself is trusted, such as that between containers of one machine.
PLAINTEXT_VARIABLE = "DEVMENTOR_ALLOW_PLAINTEXT"

#: What psycopg's message begins with when there never was a connection.
_NOT_CONNECTED = ("connection failed:", "connection is bad:")
_PLAINTEXT_MODES = frozenset({"disable", "allow", "prefer"})
_CA = (
    "Give the file of the certificate authority (CA) that issued the server's certificate:"
    " sslrootcert=/path/ca.pem in the URL, or PGSSLROOTCERT. Hosting providers offer theirs for download; for"
    " a public CA take the system's file, on Debian /etc/ssl/certs/ca-certificates.crt."
)
_NAME = (
    "Use in the URL the host name that the certificate is for; with an address, add the name:"
    " host=…&hostaddr=…."
)
_CLIENT = (
    "It must be one that the server accepts: sslcert=/path/client.pem and sslkey=/path/client.key in the URL."
)
#: What libpq and OpenSSL say, and what to do. In order: the last ones match much. libpq speaks English in
#: a process that has not called setlocale() for messages, which Python does not.
_ADVICE = tuple(
    (re.compile(pattern), what, advice)
    for pattern, what, advice in (
        (r"root certificate file", "No CA certificate can be read to check the server with.", _CA),
        (
            r"certificate verify failed",
            "The server's certificate has expired or is not from a CA that is trusted here.",
            f"{_CA} sslrootcert=system finds nothing with psycopg's own wheels, unless SSL_CERT_FILE is set.",
        ),
        (r"does not match host name", "The server's certificate is for another host.", _NAME),
        (r"host name must be specified", "There is no host name to compare the certificate with.", _NAME),
        (
            r"does not support SSL",
            "The server offers no TLS, so nothing was sent to it.",
            f"Switch TLS on there; in a trusted network, set {PLAINTEXT_VARIABLE}=1 and sslmode=disable.",
        ),
        (
            r"SSL required|no encryption|SSL off",
            "The server refuses connections without TLS.",
            "Remove sslmode=disable from the URL.",
        ),
        (r"weak sslmode", "The URL asks for less than a full check.", "Use sslmode=verify-full."),
        (
            r"private key file|could not (read|open) certificate file",
            "The client's certificate or key cannot be used.",
            _CLIENT,
        ),
        (
            r"alert (certificate required|unknown ca|bad certificate)|valid client certificate",
            "The server wants a client certificate, or another one.",
            _CLIENT,
        ),
        (
            r"SSL error(?!: unexpected eof)|SSL protocol version|could not (create|initialize) SSL",
            "The connection could not be secured by TLS.",
            "Compare the ssl… parameters of the URL with what the server demands.",
        ),
    )
)


def secure(parts: dict[str, str]) -> dict[str, str]:
    """Return libpq's parameters with TLS required, unless the server is on this machine.

    ``sslmode`` becomes ``verify-full``. ``require`` and ``verify-ca`` are kept where they stand; the modes
    that allow plaintext are kept where ``DEVMENTOR_ALLOW_PLAINTEXT`` is set as well.

    Raises:
        ConfigurationError: Plaintext is asked for.
    """
    if is_local(parts):
        return parts
    mode = parts.get("sslmode")
    if not mode:
        return parts | {"sslmode": "verify-full"}
    trusted = (variable(PLAINTEXT_VARIABLE) or "").lower() in {"1", "true", "yes", "on"}
    if mode in _PLAINTEXT_MODES and not trusted:
        raise ConfigurationError(
            f"sslmode={mode} lets passwords and data travel to another machine unencrypted. Remove it from"
            f" the database URL, or set {PLAINTEXT_VARIABLE}=1 if the network itself is trusted."
        )
    return parts


def is_local(parts: Mapping[str, str]) -> bool:
    """Say whether every server that libpq may connect to with these parameters is on this machine.

    A service file may name any host, so that it counts as another machine.
    """
    if parts.get("service") or os.environ.get("PGSERVICE"):
        return False
    hosts = parts.get("host") or os.environ.get("PGHOST") or ""
    # libpq connects to hostaddr where there is one; host is then what the certificate is compared with.
    addresses = parts.get("hostaddr") or os.environ.get("PGHOSTADDR") or ""
    return all(map(_is_this_machine, [*hosts.split(","), *addresses.split(",")]))


def _is_this_machine(host: str) -> bool:
    host = host.strip()
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def explain(error: BaseException) -> InsecureConnection | None:
    """Return what a failed attempt to connect means when TLS was the reason, and None otherwise.

    A connection that was there and broke is another matter: the same words then mean that the server is gone.
    """
    if not isinstance(error, OperationalError) or not str(error).startswith(_NOT_CONNECTED):
        return None
    lines = str(error).splitlines()
    for pattern, what, advice in _ADVICE:
        for line in lines:
            if pattern.search(line):
                return InsecureConnection(f"{what} {advice} ({line.strip()})")
    return None
