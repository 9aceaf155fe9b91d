"""Settings: from the environment, checked, TLS by default, secrets never printed (DESIGN §6, Z3)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

import devmentor_models
from devmentor_models import Database
from devmentor_models.documentation.variables import settings_page
from devmentor_models.errors import ConfigurationError
from devmentor_models.kit.encryption import KEYS_VARIABLE, KeyRing, key_ring
from devmentor_models.kit.keys import generate_key
from devmentor_models.kit.variables import PREFIX, SECRETS_VARIABLE, VARIABLES, variable
from devmentor_models.security.signing import signing_key
from devmentor_models.settings import DatabaseSettings, conninfo
from devmentor_models.tls import PLAINTEXT_VARIABLE

PACKAGE = Path(devmentor_models.__file__).parent


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


def test_an_empty_variable_does_not_hide_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever composes containers sets variables to nothing."""
    key = generate_key()
    (tmp_path / "devmentor_context_key").write_text(f"{key}\n")
    monkeypatch.setenv("DEVMENTOR_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("DEVMENTOR_CONTEXT_KEY", "")
    loaded = DatabaseSettings.load(database_url="postgresql://db.example/devmentor")
    assert loaded.signing_key() == signing_key(key)


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_url_is_a_missing_one(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be libpq's own defaults: some database of this machine."""
    monkeypatch.setenv("DEVMENTOR_DATABASE_URL", empty)
    with pytest.raises(ConfigurationError, match="DEVMENTOR_DATABASE_URL"):
        Database.from_env()
    with pytest.raises(ConfigurationError, match="DEVMENTOR_DATABASE_URL"):
        Database.from_url(empty)
    with pytest.raises(ConfigurationError, match="empty"):
        conninfo(empty)


def test_spaces_around_values_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a shell read, or an editor wrote, ends with a line end."""
    key = KeyRing.generate()
    monkeypatch.setenv("DEVMENTOR_DATABASE_URL", " postgresql://me:hunter2@localhost/devmentor\n")
    monkeypatch.setenv("DEVMENTOR_CONTEXT_KEY", f"{key}\r\n")
    monkeypatch.setenv("DEVMENTOR_APPLICATION_NAME", "  ")
    settings = DatabaseSettings.load()
    assert settings.database_url.get_secret_value() == "postgresql://me:hunter2@localhost/devmentor"
    assert settings.signing_key() == DatabaseSettings.load(context_key=key).signing_key() is not None
    assert settings.application_name == "devmentor"
    monkeypatch.setenv("DEVMENTOR_CONTEXT_KEY", "")
    assert DatabaseSettings.load().signing_key() is None


def test_secrets_may_stand_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the settings as well as the others; a variable wins over a file."""
    keys = KeyRing.generate()
    (tmp_path / "devmentor_database_url").write_text("postgresql:///from-a-file\n")
    (tmp_path / "devmentor_encryption_keys").write_text(f"\n{keys}\n")
    for name in ("DEVMENTOR_DATABASE_URL", KEYS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(SECRETS_VARIABLE, str(tmp_path))
    assert "dbname=from-a-file" in DatabaseSettings.load().conninfo()
    assert variable(KEYS_VARIABLE) == keys
    key_ring()
    monkeypatch.setenv("DEVMENTOR_DATABASE_URL", "postgresql:///variable")
    assert "dbname=variable" in DatabaseSettings.load().conninfo()
    assert variable("DEVMENTOR_QDRANT_API_KEY") is None


def test_a_folder_of_secrets_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a missing folder nor an unreadable file is passed over."""
    monkeypatch.setenv(SECRETS_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match=SECRETS_VARIABLE):
        DatabaseSettings.load(database_url="postgresql:///x")
    monkeypatch.setenv(SECRETS_VARIABLE, str(tmp_path))
    monkeypatch.delenv(KEYS_VARIABLE)
    (tmp_path / KEYS_VARIABLE.lower()).mkdir()
    with pytest.raises(ConfigurationError, match=f"{KEYS_VARIABLE}.*IsADirectory"):
        key_ring()


def test_unknown_parameters_of_a_url_are_named() -> None:
    """Without their values, and without any part of the password."""
    with pytest.raises(ConfigurationError, match="no parameter sslmod, pool_size") as caught:
        conninfo("postgresql://me:hunter2@localhost/x?sslmod=secret1&connect_timeout=3&pool_size=secret2")
    assert not re.search("hunter2|secret", str(caught.value))
    for url in ("postgresql://me:pa?hunter2=1@localhost/x?y z", "host=localhost password=a hunter2=b"):
        with pytest.raises(ConfigurationError) as caught:
            conninfo(url)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("rest", ["hun@ter2@db.example:5432/x", "hun/ter2@db.example/x", "h/u@n:ter2@db/x"])
def test_a_password_is_not_taken_for_a_host(rest: str) -> None:
    """For libpq it ends at its first @ or /, and it would tell the rest as a host that is not there."""
    with pytest.raises(ConfigurationError, match="@ is written %40") as caught:
        conninfo(f"postgresql://me:{rest}")
    assert "ter2" not in str(caught.value)
    assert "host=/tmp/@x" in conninfo("postgresql://me@/x?host=/tmp/@x")


def test_settings_that_there_are_not() -> None:
    """A name of another library's is refused, and not passed over."""
    with pytest.raises(ConfigurationError, match="no setting max_overflow, pool_size"):
        DatabaseSettings.load(database_url="postgresql:///x", pool_size=3, max_overflow=0)


def test_a_pool_of_more_at_least_than_at_most() -> None:
    """Both are named; where one of them is a default, that one gives way."""
    with pytest.raises(ConfigurationError, match=r"^DEVMENTOR_POOL_MIN is more than DEVMENTOR_POOL_MAX$"):
        DatabaseSettings.load(database_url="postgresql:///x", pool_min=9, pool_max=3)
    assert DatabaseSettings.load(database_url="postgresql:///x", pool_max=1).pool_max == 1


@pytest.mark.parametrize("name", ["POOL_IDLE_SECONDS", "POOL_TIMEOUT_SECONDS"])
@pytest.mark.parametrize("value", ["inf", "nan", "-inf", "1e999"])
def test_times_are_finite(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for ever is no setting."""
    monkeypatch.setenv(f"DEVMENTOR_{name}", value)
    with pytest.raises(ConfigurationError, match=f"DEVMENTOR_{name}"):
        DatabaseSettings.load(database_url="postgresql:///x")


def test_every_variable_is_documented() -> None:
    """Whatever variable of ours the code names is in docs/settings.md, and nothing else is."""
    sources = [*PACKAGE.rglob("*.py")]
    named = {name for path in sources for name in re.findall(r"\bDEVMENTOR_[A-Z_]+[A-Z]\b", path.read_text())}
    settings = {f"{PREFIX}{name.upper()}" for name in DatabaseSettings.model_fields}
    listed = re.findall(r"^\| `(\w+)`", settings_page(), re.MULTILINE)
    assert len(listed) == len({*listed}) > len(settings)
    assert named - {*listed} == set()
    assert {*listed} == settings | {item.name for item in VARIABLES}
