"""Settings: from the environment, checked, TLS by default, secrets never printed (DESIGN §6, Z3)."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from devmentor_models import Database
from devmentor_models.errors import ConfigurationError
from devmentor_models.settings import DatabaseSettings, conninfo


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
    ],
)
def test_tls_is_required_for_another_machine(url: str, mode: str | None) -> None:
    """Certificate and name are checked, unless the host is this machine or the URL says otherwise."""
    assert conninfo_to_dict(conninfo(url)).get("sslmode") == mode


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
