"""What libpq's refusals mean; tests/services tries the same on a real server."""

from __future__ import annotations

import psycopg
import pytest

from devmentor_models.errors import ConnectionLost, InsecureConnection
from devmentor_models.kit.translate import translate
from devmentor_models.tls import explain

BEFORE = 'connection failed: connection to server at "10.0.0.5", port 5432 failed: '


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            'root certificate file "/home/app/.postgresql/root.crt" does not exist\nchange sslmode',
            "PGSSLROOTCERT",
        ),
        ('could not read root certificate file "/x.pem": no certificate or crl found', "sslrootcert="),
        ("SSL error: certificate verify failed", "sslrootcert="),
        ('server certificate for "a" (and 1 other name) does not match host name "b"', "another host"),
        ("host name must be specified for a verified SSL connection", "hostaddr="),
        ("server does not support SSL, but SSL was required", "offers no TLS"),
        ("FATAL:  SSL required", "Remove sslmode=disable"),
        (
            'FATAL:  no pg_hba.conf entry for host "10.0.0.6", user "a", database "b", no encryption',
            "sslmode",
        ),
        ('weak sslmode "require" may not be used with sslrootcert=system', "verify-full"),
        ("FATAL:  connection requires a valid client certificate", "sslcert="),
        ("SSL error: tlsv13 alert certificate required", "sslcert="),
        ('certificate present, but not private key file "/x.key"', "sslkey="),
        ("SSL error: tlsv1 alert protocol version", "what the server demands"),
    ],
)
def test_a_refusal_says_what_to_do(said: str, advice: str) -> None:
    """Each of libpq's reasons has its advice, and libpq's own line behind it, but not libpq's advice."""
    error = explain(psycopg.OperationalError(BEFORE + said))
    assert isinstance(error, InsecureConnection)
    assert advice in str(error)
    assert said.partition("\n")[0] in str(error)
    assert "change sslmode" not in str(error)
    assert not error.retryable


@pytest.mark.parametrize(
    "said",
    [
        f"{BEFORE}Connection refused",
        f"{BEFORE}SSL error: unexpected eof while reading",
        f"{BEFORE}SSL SYSCALL error: Connection reset by peer",
        "consuming input failed: SSL error: unexpected eof while reading",
        "consuming input failed: SSL error: decryption failed or bad record mac",
        "consuming input failed: SSL connection has been closed unexpectedly",
    ],
)
def test_a_lost_connection_is_no_insecure_one(said: str) -> None:
    """What may be better a moment later stays a lost connection, which is tried again."""
    assert isinstance(translate(psycopg.OperationalError(said)), ConnectionLost)


def test_other_errors_have_nothing_to_do_with_tls() -> None:
    """An error that is not about connecting is not explained."""
    assert explain(ValueError(f"{BEFORE}SSL error: certificate verify failed")) is None
