# Generated from test_functions_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""What SQL of the auth service's own login can do for a tenant, and for nobody (Z1; trap 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from devmentor_models import Actor, Database, Transaction
from devmentor_models.errors import PermissionDenied
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio

AUTH = Actor.service("auth")
WHO = "SELECT devmentor.user_id()"

#: What a tenant may try to find out whether :email belongs to an account; :me is the tenant.
ORACLES = {
    "insert": "INSERT INTO auth.users (email, username, password_hash) VALUES (:email, :name, 'x')",
    "upsert": "INSERT INTO auth.users (email, username, password_hash) VALUES (:email, :name, 'x')"
    " ON CONFLICT ((email_key || '')) DO NOTHING",
    "update": "UPDATE auth.users SET email = :email WHERE id = :me",
    "merge": "MERGE INTO auth.users u USING (SELECT CAST(:email AS text) AS e) s ON u.id = :me"
    " WHEN MATCHED THEN UPDATE SET email = s.e",
    "register": "SELECT auth.register(gen_random_uuid(), :email, :name, 'x', '{}')",
    "credentials": "SELECT auth.credentials(:email)",
    "failure": "SELECT auth.record_login_failure(:email, '{}', NULL, NULL, NULL)",
    "confirm": "SELECT auth.confirm_email(sha256(convert_to(:email, 'UTF8')))",
    "adopt": "SELECT devmentor.adopt(:me), CAST(:email AS text)",
}


@pytest.fixture
def auth(devmentor_service_url: Callable[..., str], anyio_backend: str) -> Iterator[Database]:
    """Yield the database as the auth service alone connects to it."""
    with Database.from_url(devmentor_service_url("auth"), pool_min=0) as made:
        yield made


def run(tx: Transaction, sql: str, **values: Any) -> Any:
    """Run a query by hand and return its first value."""
    return (tx.session.execute(text(sql), values)).scalar()


@pytest.mark.parametrize("sql", ORACLES.values(), ids=ORACLES)
def test_no_tenant_learns_who_has_an_address(auth: Database, new_user: NewUser, sql: str) -> None:
    """The refusal is the same whether there is such an account or not."""
    me, other = new_user(), new_user()
    wanted = {name: value for name, value in {"me": me.id, "name": uuid4().hex}.items() if f":{name}" in sql}
    refusals = set()
    for email in (other.email, other.email.upper(), f"{uuid4().hex}@example.com"):
        with pytest.raises(PermissionDenied) as caught:
            with auth.begin(Actor.service("auth", on_behalf_of=me.id)) as tx:
                run(tx, sql, email=email, **wanted)
        refusals.add(str(caught.value))
    assert len(refusals) == 1


@pytest.mark.parametrize("key", ["email_key", "email_key || ''", "email"])
def test_what_is_counted_of_scans_tells_no_address(auth: Database, new_user: NewUser, key: str) -> None:
    """An index is searched before a policy hides what was found, so none is for conditions of a tenant."""
    me, other = new_user(), new_user()
    plans = set()
    for email in (other.email.lower(), f"{uuid4().hex}@example.com"):
        with auth.begin(Actor.service("auth", on_behalf_of=me.id)) as tx:
            tx.session.execute(text("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = on"))
            explained = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF)"
            query = f"{explained} SELECT id FROM auth.users WHERE {key} = '{email}'"
            plan = "\n".join((tx.session.execute(text(query))).scalars())
            plans.add(plan.replace(email, "…"))
    assert len(plans) == 1
    assert "uq_users_email_key" not in plans.pop()


def test_a_token_is_adopted_once_and_for_nobody_else(auth: Database, new_user: NewUser) -> None:
    """Who presents it is the user; a transaction that acts for somebody stays with whom it acts for."""
    tokens: dict[UUID, str] = {}
    for user in (new_user(), new_user()):
        with auth.begin(Actor.service("auth", on_behalf_of=user.id)) as tx:
            tokens[user.id] = (tx.sessions.open(user.id)).token
    (mine, my_token), (theirs, their_token) = tokens.items()
    with auth.begin(AUTH) as tx:
        assert run(tx, WHO) is None
        assert tx.sessions.find_active("unknown") is None
        assert run(tx, WHO) is None
        assert tx.sessions.find_active(my_token) is not None
        assert run(tx, WHO) == mine
        assert tx.sessions.find_active(their_token) is None
        assert tx.sessions.revoke(their_token) is False
        assert (tx.sessions.rotate(their_token)).opened is None
        assert run(tx, WHO) == mine
        assert run(tx, "SELECT count(*) FROM auth.users") == 1
    with auth.begin(Actor.service("auth", on_behalf_of=theirs)) as tx:
        assert tx.sessions.find_active(their_token) is not None
    with auth.begin(AUTH) as tx:
        assert run(tx, WHO) is None


def test_an_adoption_goes_with_its_savepoint(auth: Database, new_user: NewUser) -> None:
    """What is rolled back was never proven."""
    user = new_user()
    with auth.begin(Actor.service("auth", on_behalf_of=user.id)) as tx:
        token = (tx.sessions.open(user.id)).token
    with auth.begin(AUTH) as tx:
        with pytest.raises(RuntimeError):
            with tx.savepoint():
                assert tx.sessions.find_active(token) is not None
                assert run(tx, WHO) == user.id
                raise RuntimeError
        assert run(tx, WHO) is None
        assert run(tx, "SELECT count(*) FROM auth.users") == 0


def test_a_service_alone_sees_nobody(auth: Database, new_user: NewUser) -> None:
    """Nor does another service's name, or no name at all, get past the functions."""
    new_user()
    calls = (
        "SELECT auth.credentials('a@example.com')",
        "SELECT auth.identify('session', sha256('x'))",
        "SELECT auth.register(gen_random_uuid(), 'a@example.com', 'a', 'x', '{}')",
        "SELECT auth.confirm_email(sha256('x'))",
        "SELECT auth.accounts(NULL, NULL, NULL, 10)",
    )
    with auth.begin(AUTH) as tx:
        for table in ("users", "audit_log"):
            assert run(tx, f"SELECT count(*) FROM auth.{table}") == 0
        for table in ("user_sessions", "password_resets", "email_verifications"):
            live = run(tx, f"SELECT count(*) FROM auth.{table} WHERE expires_at >= now()")
            assert live == 0, "only what has expired may be purged"
    for call in calls:
        with pytest.raises(PermissionDenied):
            with auth.begin(Actor.service("memory")) as tx:
                run(tx, call)


def test_nobody_proves_an_address_by_hand(auth: Database, new_user: NewUser) -> None:
    """Neither the mark nor the address is the service's to write."""
    user = new_user()
    for column in ("email_verified_at = now()", "email = 'b@example.com'", "id = gen_random_uuid()"):
        with pytest.raises(PermissionDenied):
            with auth.begin(Actor.user(user.id)) as tx:
                run(tx, f"UPDATE auth.users SET {column} WHERE id = :me", me=user.id)


def test_only_services_that_need_them_may_call_the_functions(devmentor_engine: Engine) -> None:
    """No PUBLIC, and every one of them pins its search path."""
    callers = """
        SELECT p.proname, p.proconfig::text, (
            SELECT array_agg(coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC') ORDER BY 1)
              FROM aclexplode(p.proacl) a WHERE a.grantee <> p.proowner)
          FROM pg_proc p WHERE p.pronamespace = 'auth'::regnamespace AND p.prosecdef"""
    with devmentor_engine.connect() as connection:
        found = {name: (config, roles) for name, config, roles in connection.execute(text(callers))}
    both = ["devmentor_auth", "devmentor_projects"]
    assert {name: roles for name, (_, roles) in found.items()} == {
        name: both if name in {"usernames", "find_user_id"} else ["devmentor_auth"] for name in found
    }
    assert len(found) >= 10
    assert all("search_path=pg_catalog, pg_temp" in config for config, _ in found.values())


def test_other_services_have_names_only(devmentor_service_url: Callable[..., str], new_user: NewUser) -> None:
    """The projects service finds somebody to invite; the memory service does not even do that."""
    me, other = new_user(), new_user()
    with Database.from_url(devmentor_service_url("projects"), pool_min=0) as projects:
        with projects.begin(Actor.user(me.id)) as tx:
            assert tx.users.find_id_by_username(other.username.upper()) == other.id
            assert tx.users.usernames([other.id]) == {other.id: other.username}
            with pytest.raises(PermissionDenied):
                with tx.savepoint():
                    tx.users.get()
    with Database.from_url(devmentor_service_url("memory"), pool_min=0) as memory:
        with pytest.raises(PermissionDenied):
            with memory.begin(Actor.user(me.id)) as tx:
                tx.users.find_id_by_username(other.username)


def test_an_export_has_mentions_that_the_user_can_no_longer_see(
    auth: Database, database: Database, new_user: NewUser
) -> None:
    """Such as a task in a project that the user was taken out of: its keys, not its text."""
    me, owner = new_user(), new_user()
    with database.begin(Actor.user(owner.id)) as tx:
        project = tx.projects.create(name="Theirs")
        tx.collaborators.add(project.id, me.id)
        task = tx.tasks.create(project_id=project.id, title="Secret plan", assignee_id=me.id)
        tx.collaborators.remove(project.id, me.id)
    with auth.begin(Actor.user(me.id)) as tx:
        export = tx.users.export()
    (mention,) = export["mentions"]["projects.tasks.assignee_id"]
    assert mention["id"] == str(task.id)
    assert "Secret plan" not in str(export)
