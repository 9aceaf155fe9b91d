# Generated from test_users_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Accounts: registration, look-up, and what changes them (F1, F2)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database, Transaction, bind_actor
from devmentor_models.auth.enums import AuditEvent, UserRole
from devmentor_models.auth.models import User
from devmentor_models.auth.repositories import Registration, SessionRepository, UserRepository
from devmentor_models.errors import (
    ActorChanged,
    ActorMissing,
    EncryptionKeyMissing,
    InvalidValue,
    NotFound,
    PermissionDenied,
    TokenInvalid,
    UniqueViolation,
    VersionConflict,
)
from devmentor_models.kit.base import Base, table_named
from devmentor_models.kit.encryption import KEYS_VARIABLE
from devmentor_models.kit.ids import uuid7
from devmentor_models.testing.factories.auth import UserFactory
from tests.support.concurrency import run_concurrently
from tests.support.users import NewUser

pytestmark = pytest.mark.anyio

AUTH = Actor.service("auth")


def acting(user_id: UUID) -> Actor:
    """Return the service acting for a user."""
    return replace(AUTH, user_id=user_id)


def person(**values: Any) -> dict[str, Any]:
    """Return what a new user types, some of it given."""
    name = uuid4().hex
    return {"email": f"{name}@example.com", "username": name, "password_hash": "$argon2id$x", **values}


def events_of(database: Database, user: User) -> list[AuditEvent]:
    """Return what the trail says of a user, the newest first."""
    with database.begin(acting(user.id)) as tx:
        return [entry.event for entry in (tx.audit_log.timeline(user.id)).items]


def test_registration_makes_user_token_project_and_log_line(database: Database) -> None:
    """F1: all of it is there after the commit, and the token verifies the address."""
    data = person()
    with database.begin(AUTH) as tx:
        made = tx.users.register(**data, full_name="Ada", extra={"plan": "free"})
    projects = table_named("projects.projects")
    with database.begin(acting(made.user.id)) as tx:
        user = tx.users.get(made.user.id)
        assert (user.email, user.username, user.full_name) == (
            data["email"],
            data["username"],
            "Ada",
        )
        assert (user.role, user.is_active, user.extra) == (UserRole.USER, True, {"plan": "free"})
        assert user.email_verified_at is None
        rows = (tx.session.execute(select(projects).where(projects.c.user_id == user.id))).all()
        assert [(row.id, row.name, row.slug, row.credits) for row in rows] == [
            (made.project_id, "My First Project", "my-first-project", 0)
        ]
    with database.begin(AUTH) as tx:
        verified = tx.email_verifications.consume(made.verification_token)
        assert verified.email_verified_at is not None
    assert events_of(database, user) == [AuditEvent.EMAIL_VERIFIED, AuditEvent.REGISTERED]
    assert made.verification_token not in repr(made)


def rows_everywhere(database: Database) -> int:
    """Count the rows of every table that can hold something of a user."""
    total = 0
    with database.begin(AUTH) as tx:
        for table in Base.metadata.tables.values():
            if "user_id" in table.c or table.fullname == "auth.users":
                total += (tx.session.execute(select(func.count()).select_from(table))).scalar_one()
    return total


class Interruption(Exception):
    """What the injected failure raises."""


@pytest.mark.parametrize("goes_on", [False, True], ids=["block fails", "caller goes on"])
def test_a_registration_that_fails_at_any_statement_leaves_nothing(
    devmentor_database_url: str, *, goes_on: bool
) -> None:
    """F1: at each statement in turn, also when the caller catches the error and commits."""
    steps = 0
    with Database.from_url(devmentor_database_url, pool_min=0) as database:
        for step in range(1, 20):
            sent: list[str] = []

            def interrupt(_: Any, cursor: Any, statement: str, *rest: Any, log: list[str] = sent) -> None:
                if statement.startswith("RELEASE"):
                    return  # that fails only with the connection
                log.append(statement)
                if len(log) == step:  # noqa: B023 - used within this round only
                    raise Interruption

            try:
                with database.begin(AUTH) as tx:
                    engine = tx.session.get_bind()
                    event.listen(engine, "before_cursor_execute", interrupt)
                    try:
                        tx.users.register(**person())
                    except Interruption:
                        if not goes_on:
                            raise
                    finally:
                        event.remove(engine, "before_cursor_execute", interrupt)
            except Interruption:
                pass
            if len(sent) < step:
                break
            steps += 1
            assert rows_everywhere(database) == 0, sent[-1]
        assert steps >= 4
        # User, token, project; a line of the trail for each, one for the event, one of the project's history.
        assert rows_everywhere(database) == 8


def test_a_taken_name_leaves_the_transaction_usable(database: Database, new_user: NewUser) -> None:
    """The error names the column; another attempt in the same transaction succeeds."""
    taken = new_user()
    with database.begin(AUTH) as tx:
        with pytest.raises(UniqueViolation) as caught:
            tx.users.register(**person(username=taken.username.upper()))
        assert caught.value.columns == ("username",)
        assert taken.username not in str(caught.value)
        made = tx.users.register(**person())
    with database.begin(acting(made.user.id)) as tx:
        assert (tx.users.get(made.user.id)).username == made.user.username


def test_concurrent_registrations_of_one_address_make_one_user(database: Database) -> None:
    """The others get the same error as if they had come later."""
    data = person()

    def attempt() -> Registration:
        with database.begin(AUTH) as tx:
            return tx.users.register(**data)

    results = run_concurrently([attempt] * 8)
    assert sum(isinstance(result, Registration) for result in results) == 1
    assert sum(isinstance(result, UniqueViolation) for result in results) == 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "a\x00@example.com"),
        ("email", "x" * 250 + "@example.com"),
        ("username", "   "),
        ("username", "\ud800"),
        ("password_hash", ""),
        ("full_name", "x" * 201),
        ("extra", {"rate": float("nan")}),
        ("project_name", "x\x00"),
        ("project_slug", "x" * 101),
        ("verification_lifetime", timedelta(0)),
    ],
)
def test_registration_refuses_bad_values_before_anything_is_sent(
    database: Database, field: str, value: Any
) -> None:
    """The error names the field; the address is still free."""
    data = person()
    with database.begin(AUTH) as tx:
        with pytest.raises(InvalidValue):
            tx.users.register(**data | {field: value})
    with database.begin(AUTH) as tx:
        assert tx.users.find_credentials(data["email"]) is None


def test_without_a_key_no_full_name_is_stored(
    database: Database, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than in clear; the error says which variable to set, and nothing of the user is left."""
    data = person()
    bind_actor(session, AUTH)
    with database.begin(AUTH) as tx:
        for users in (tx.users, UserRepository(session)):
            with monkeypatch.context() as patch:
                patch.delenv(KEYS_VARIABLE)
                with pytest.raises(EncryptionKeyMissing, match=KEYS_VARIABLE):
                    users.register(**data, full_name="Ada")
            assert users.find_credentials(data["email"]) is None


def test_addresses_and_names_are_found_in_any_form(database: Database) -> None:
    """Trap 17: NFC is NFD, the Kelvin sign is a k, and case does not matter."""
    mark = uuid4().hex
    name = f"Zoë-{mark}"
    with database.begin(AUTH) as tx:
        made = tx.users.register(
            email=f"{name}K@example.com", username=f"{name}K", password_hash="$argon2id$x"
        )
    with database.begin(AUTH) as tx:
        for form in (f"{name}k", f"zoË-{mark}\N{KELVIN SIGN}", unicodedata.normalize("NFD", name) + "K"):
            by_email = tx.users.find_credentials(f"{form}@example.com")
            assert by_email is not None
            assert by_email.user_id == made.user.id
            assert tx.users.find_id_by_username(form) == made.user.id
        assert tx.users.find_credentials(f"{mark}@example.com") is None
        assert tx.users.find_id_by_username(mark) is None
        assert tx.users.usernames([made.user.id, uuid4()]) == {made.user.id: made.user.username}
        with pytest.raises(UniqueViolation):
            tx.users.register(
                **person(email=unicodedata.normalize("NFD", f"{name}\N{KELVIN SIGN}@EXAMPLE.com"))
            )
        for bad in ("a\x00b", "\ud800", ""):
            with pytest.raises(InvalidValue):
                tx.users.find_credentials(bad)


def test_a_missing_user_is_not_found(database: Database) -> None:
    """Each method says so: of a user who does not exist, and of another than the acting one."""
    nobody = uuid4()
    with database.begin(acting(nobody)) as tx, database.begin(acting(uuid4())) as other:
        for call in [call for each in (tx, other) for call in calls_about(each, nobody)]:
            with pytest.raises(NotFound):
                call()
        assert tx.users.record_login(nobody) is False
        with pytest.raises(NotFound):
            other.users.record_login(nobody)


def test_a_service_alone_is_told_to_act_for_the_user(database: Database, new_user: NewUser) -> None:
    """It would see no row; the message says what to write."""
    user = new_user()
    with database.begin(AUTH) as tx:
        for call in calls_about(tx, user.id):
            with pytest.raises(ActorMissing, match=r'Actor.service\("auth", on_behalf_of=user_id\)'):
                call()


def calls_about(tx: Transaction, user_id: UUID) -> list[Callable[[], object]]:
    """Return a call of each method that is about a user."""
    users = tx.users
    return [
        lambda: tx.sessions.open(user_id),
        lambda: tx.password_resets.issue(user_id),
        lambda: tx.email_verifications.issue(user_id),
        lambda: users.get(user_id),
        lambda: users.deactivate(user_id),
        lambda: users.reactivate(user_id),
        lambda: users.set_password_hash(user_id, "x"),
        lambda: users.change_email(user_id, "a@example.com"),
        lambda: users.update_profile(user_id, full_name="x"),
        lambda: users.export(user_id),
        lambda: users.erase(user_id),
    ]


def test_a_user_gets_themself(database: Database, new_user: NewUser) -> None:
    """Without an id it is the actor."""
    user = new_user()
    with database.begin(Actor.user(user.id)) as tx:
        assert (tx.users.get()).id == user.id
        assert (tx.users.update_profile(full_name="Ada", extra={"a": 1})).full_name == "Ada"
    with database.begin(acting(user.id)) as tx:
        found = tx.users.get(user.id)
    assert (found.full_name, found.extra, found.username) == ("Ada", {"a": 1}, user.username)


def test_deactivation_ends_sessions_until_reactivation(database: Database, new_user: NewUser) -> None:
    """Each is logged once, however often it is asked for."""
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        opened = tx.sessions.open(user.id)
        assert (tx.users.deactivate(user.id)).is_active is False
        tx.users.deactivate(user.id)
        assert tx.sessions.find_active(opened.token) is None
        with pytest.raises(NotFound):
            tx.sessions.open(user.id)
        assert (tx.users.reactivate(user.id)).is_active is True
        tx.users.reactivate(user.id)
        assert tx.sessions.find_active(opened.token) is None
        tx.sessions.open(user.id)
    events = events_of(database, user)
    assert sorted(events) == sorted(
        ["login", "deactivated", "session_revoked", "reactivated", "login"],
    )


def test_a_change_of_role_is_logged_with_both_roles(database: Database, new_user: NewUser) -> None:
    """The same role again is no change."""
    user, chief = new_user(), new_user(role=UserRole.SUPERADMIN)
    with database.begin(Actor.user(chief.id)) as tx:
        assert tx.users.change_role(user.id, UserRole.ADMIN) is True
        assert tx.users.change_role(user.id, UserRole.ADMIN) is False
        with pytest.raises(InvalidValue, match="role"):
            tx.users.change_role(user.id, "root")  # type: ignore[arg-type] # the mistake under test
        with pytest.raises(NotFound):
            tx.users.change_role(uuid7(), UserRole.ADMIN)
    with database.begin(acting(user.id)) as tx:
        assert (tx.users.get(user.id)).role is UserRole.ADMIN
        (line,) = (tx.audit_log.timeline(user.id, events=[AuditEvent.ROLE_CHANGED])).items
    assert (line.actor_id, line.details) == (chief.id, {"from": "user", "to": "admin"})


def test_nobody_makes_themself_an_administrator(database: Database, new_user: NewUser) -> None:
    """Neither by the repository nor by SQL: that is a superadmin's, who is active."""
    user = new_user()
    barred = new_user(role=UserRole.SUPERADMIN, is_active=False)
    for actor in (acting(user.id), Actor.user(new_user(role=UserRole.ADMIN).id), Actor.user(barred.id), AUTH):
        with pytest.raises(PermissionDenied):
            with database.begin(actor) as tx:
                tx.users.change_role(user.id, UserRole.SUPERADMIN)
    with pytest.raises(PermissionDenied):
        with database.begin(acting(user.id)) as tx:
            tx.session.execute(text("UPDATE auth.users SET role = 'superadmin'"))


def test_a_new_password_ends_every_session(database: Database, new_user: NewUser) -> None:
    """And is refused when it is no hash at all."""
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        opened = tx.sessions.open(user.id)
        with pytest.raises(InvalidValue, match="password_hash"):
            tx.users.set_password_hash(user.id, "")
        tx.users.set_password_hash(user.id, "$argon2id$new")
        assert tx.sessions.find_active(opened.token) is None
    with database.begin(acting(user.id)) as tx:
        assert (tx.users.get(user.id)).password_hash == "$argon2id$new"
    assert AuditEvent.PASSWORD_CHANGED in events_of(database, user)


def test_a_new_address_must_be_verified_again(database: Database) -> None:
    """Tokens mailed to the old address are void."""
    other = f"{uuid4().hex}@example.com"
    with database.begin(AUTH) as tx:
        made = tx.users.register(**person())
        issued = tx.users.change_email(made.user.id, other)
    with database.begin(acting(made.user.id)) as tx:
        assert (tx.users.get()).email == made.user.email
        for bad in ("", "@", "nowhere", "a@\x00"):
            with pytest.raises(InvalidValue, match="email"):
                tx.users.change_email(made.user.id, bad)
        with pytest.raises(ActorChanged, match="for nobody"):
            tx.email_verifications.consume(issued.token)
    with database.begin(AUTH) as tx:
        with pytest.raises(TokenInvalid):
            tx.email_verifications.consume(made.verification_token)
    with database.begin(AUTH) as tx:
        user = tx.email_verifications.consume(issued.token)
        assert user.email == other
        assert user.email_verified_at is not None
        lines = (tx.audit_log.timeline(user.id, events=[AuditEvent.EMAIL_CHANGED])).items
    assert [line.details["state"] for line in lines] == ["confirmed", "requested"]


def test_an_address_is_taken_for_whom_it_is_mailed_to_only(database: Database, new_user: NewUser) -> None:
    """Who asks for another's address learns nothing; who proves it learns that it is taken."""
    user, other = new_user(), new_user()
    with database.begin(acting(user.id)) as tx:
        issued = tx.users.change_email(user.id, other.email.upper())
    with pytest.raises(UniqueViolation) as caught:
        with database.begin(AUTH) as tx:
            tx.email_verifications.consume(issued.token)
    assert caught.value.columns == ("email",)
    with database.begin(acting(user.id)) as tx:
        assert (tx.users.get()).email == user.email


def test_an_older_mail_brings_no_address_back(database: Database, new_user: NewUser) -> None:
    """Whatever was mailed before an address was proven is void."""
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        newer = tx.users.change_email(user.id, f"{uuid4().hex}@example.com")
        older = tx.email_verifications.issue(user.id)
    with database.begin(AUTH) as tx:
        tx.email_verifications.consume(newer.token)
    with pytest.raises(TokenInvalid):
        with database.begin(AUTH) as tx:
            tx.email_verifications.consume(older.token)


def test_logins_are_noted_once_an_hour(database: Database, new_user: NewUser) -> None:
    """The row of a user is not rewritten by each login."""
    user = new_user()
    with database.begin(acting(user.id)) as tx:
        assert tx.users.record_login(user.id) is True
        assert tx.users.record_login(user.id) is False
    with database.begin(acting(user.id)) as tx:
        assert (tx.users.get(user.id)).last_login_at is not None


def test_users_are_listed_by_role_and_state(devmentor_database_url: str) -> None:
    """The newest first, page by page."""
    with Database.from_url(devmentor_database_url, pool_min=0) as database:
        with database.begin(AUTH) as tx:
            roles = [UserRole.USER, UserRole.ADMIN, *[UserRole.USER] * 3]
            made = [UserFactory.insert(tx.session, role=role) for role in roles]
        with database.begin(acting(made[2].id)) as tx:
            tx.users.deactivate(made[2].id)
        with database.begin(acting(made[1].id)) as tx:
            first = tx.users.list(limit=3)
            rest = tx.users.list(limit=3, cursor=first.next_cursor)
            admins = tx.users.list(role=UserRole.ADMIN)
            barred = tx.users.list(is_active=False)
    ids = [user.id for user in made]
    assert [user.id for user in [*first.items, *rest.items]] == ids[::-1]
    assert rest.next_cursor is None
    assert [user.id for user in admins.items] == [ids[1]]
    assert [user.id for user in barred.items] == [ids[2]]
    assert barred.items[0].email == made[2].email


def test_only_administrators_list_users(database: Database, new_user: NewUser) -> None:
    """Neither users nor administrators who were barred do, nor a service alone."""
    barred = new_user(role=UserRole.SUPERADMIN, is_active=False)
    for actor in (Actor.user(new_user().id), Actor.user(barred.id), AUTH):
        with pytest.raises(PermissionDenied):
            with database.begin(actor) as tx:
                tx.users.list()
    with database.begin(Actor.user(new_user(role=UserRole.SUPERADMIN).id)) as tx:
        assert (tx.users.list(limit=1)).items


def test_one_transaction_registers_one_user(database: Database, new_user: NewUser) -> None:
    """And acts for that user from then on; one that acts for somebody registers nobody."""
    with database.begin(AUTH) as tx:
        made = tx.users.register(**person())
        assert (tx.sessions.open(made.user.id)).user_id == made.user.id
        with pytest.raises(ActorChanged, match=r"users.register .* begin another transaction"):
            tx.users.register(**person())
    with database.begin(Actor.user(new_user().id)) as tx:
        for call in (
            lambda: tx.users.register(**person()),
            lambda: tx.users.find_credentials("ada@example.com"),
            lambda: tx.sessions.record_failure("ada@example.com"),
        ):
            with pytest.raises(ActorChanged):
                call()


def test_a_lost_write_is_noticed(database: Database, new_user: NewUser) -> None:
    """An entity that somebody else changed meanwhile cannot be written back."""
    user = new_user()
    with pytest.raises(VersionConflict):
        with database.begin(acting(user.id)) as mine:
            stale = mine.users.get(user.id)
            with database.begin(acting(user.id)) as theirs:
                theirs.users.update_profile(user.id, username=f"x{user.id.hex}")
            stale.extra = {"lost": True}
            mine.session.flush()


def test_repositories_work_over_a_plain_session(session: Session) -> None:
    """Of a service that has sessions of its own; it gives them their actor."""
    users = UserRepository(session)
    with pytest.raises(ActorMissing):
        users.get()
    bind_actor(session, AUTH)
    made = users.register(**person())
    opened = SessionRepository(session).open(made.user.id)
    found = SessionRepository(session).find_active(opened.token)
    assert found is not None
    assert found.user is made.user
    assert users.get() is made.user
