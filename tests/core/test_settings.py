"""Settings: from the environment, checked, TLS by default, secrets never printed (DESIGN §6, Z3)."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from devmentor_models import Database
from devmentor_models.errors import ConfigurationError
from devmentor_models.settings import DatabaseSettings, conninfo
from devmentor_models.tls import PLAINTEXT_VARIABLE


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://app@db.example.com/devmentor", "verify-full"),
        ("postgresql+psycopg://app@10.0.0.5/devmentor", "verify-full"),
        ("host=db.example.com dbname=devmentor", "verify-full"),
        ("postgresql://app@db.example.com/devmentor?sslmode=require", "require"),
        ("postgresql://app@localhost/devmentor", None),
        ("postgresql://app@127.0.0.1:6432/devmentor", None),
        ("postgresql://app@[::1]/devmentor", None),
        ("postgresql:///devmentor?host=/run/postgresql", None),
        ("postgresql:///devmentor", None),
        ("postgresql://app@db.example.com/devmentor?sslmode=", "verify-full"),
        ("host=localhost hostaddr=10.0.0.5 dbname=devmentor", "verify-full"),
        ("hostaddr=10.0.0.5 dbname=devmentor", "verify-full"),
        ("host=db.example.com hostaddr=127.0.0.1 dbname=devmentor", "verify-full"),
        ("host=127.0.0.1,::1,localhost dbname=devmentor", None),
        ("hostaddr=127.0.0.1 dbname=devmentor", None),
        ("service=production", "verify-full"),
    ],
)
def test_tls_is_required_for_another_machine(url: str, mode: str | None) -> None:
    """Certificate and name are checked, unless the host is this machine or the URL says otherwise."""
    assert conninfo_to_dict(conninfo(url)).get("sslmode") == mode


@pytest.mark.parametrize("variable", ["PGHOST", "PGHOSTADDR", "PGSERVICE"])
def test_tls_is_required_where_libpqs_variables_name_another_machine(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL without a host is no local one when libpq takes the host from elsewhere."""
    monkeypatch.setenv(variable, "10.0.0.5")
    assert conninfo_to_dict(conninfo("postgresql:///devmentor"))["sslmode"] == "verify-full"


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_plaintext_to_another_machine_must_be_asked_for_twice(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The URL alone is not enough; the error names the variable that is, and not the password."""
    url = f"postgresql://app:hunter2@db.example.com/devmentor?sslmode={mode}"
    monkeypatch.delenv(PLAINTEXT_VARIABLE, raising=False)
    with pytest.raises(ConfigurationError, match=PLAINTEXT_VARIABLE) as caught:
        conninfo(url)
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv(PLAINTEXT_VARIABLE, "1")
    assert conninfo_to_dict(conninfo(url))["sslmode"] == mode


def test_plaintext_to_this_machine_is_nobodys_business() -> None:
    """A tunnel or a server on this machine may go without TLS."""
    assert "sslmode=disable" in conninfo("postgresql://app@localhost/devmentor?sslmode=disable")


def test_a_host_list_is_local_only_when_all_of_it_is() -> None:
    """One remote host among several is enough to require TLS."""
    mixed = conninfo("postgresql://app@localhost,db.example.com/devmentor")
    assert conninfo_to_dict(mixed)["sslmode"] == "verify-full"


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting has its DEVMENTOR_ variable; an argument wins over it."""
    monkeypatch.setenv("DEVMENTOR_DATABASE_URL", "postgresql://me:hunter2@localhost/devmentor")
    monkeypatch.setenv("DEVMENTOR_POOL_MAX", "7")
    monkeypatch.setenv("DEVMENTOR_PREPARED_STATEMENTS", "false")
    settings = DatabaseSettings.load(pool_min=1)
    assert (settings.pool_min, settings.pool_max, settings.prepared_statements) == (1, 7, False)
    assert "hunter2" not in repr(settings)
    assert "password=hunter2" in settings.conninfo()


def test_the_defaults_are_the_seeds() -> None:
    """Requirement P8: at most 20 connections, 2 kept, 30 seconds idle."""
    settings = DatabaseSettings.load(database_url="postgresql:///devmentor")
    assert (settings.pool_max, settings.pool_min, settings.pool_idle_seconds) == (20, 2, 30.0)


def test_a_missing_url_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service never gets a database that it did not name."""
    monkeypatch.delenv("DEVMENTOR_DATABASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="DEVMENTOR_DATABASE_URL"):
        Database.from_env()
