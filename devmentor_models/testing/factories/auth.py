"""Factories of the ``auth`` schema."""

# factory-boy reads a nested Meta per class, which a type checker takes for an override of the base's.
# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta

from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence

from devmentor_models.auth.enums import AuditEvent
from devmentor_models.auth.models import (
    AuditEntry,
    EmailVerification,
    PasswordReset,
    Team,
    TeamMember,
    User,
    UserKey,
    UserSession,
)
from devmentor_models.kit.encryption import new_user_key
from devmentor_models.kit.ids import uuid7
from devmentor_models.testing.factories.base import KeyOf, ModelFactory


def _random_digest() -> bytes:
    return hashlib.sha256(os.urandom(32)).digest()


def _tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


class UserFactory(ModelFactory[User]):
    """An active user; names are unique, also between processes that share a database."""

    class Meta:
        model = User

    id = LazyFunction(uuid7)
    username = LazyAttribute(lambda user: f"user-{user.id.hex}")
    email = LazyAttribute(lambda user: f"{user.username}@example.com")
    password_hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"  # noqa: S105 - the hash of nothing


class UserKeyFactory(ModelFactory[UserKey]):
    """A user's key for encrypted columns: the one that the user has, else a new one, which needs a ring."""

    class Meta:
        model = UserKey
        sqlalchemy_get_or_create = ("user_id",)

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    wrapped_key = LazyAttribute(lambda row: new_user_key(row.user_id))


class UserSessionFactory(ModelFactory[UserSession]):
    """A live refresh token, alone in its family; give ``user`` or ``user_id`` to choose whose."""

    class Meta:
        model = UserSession

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    family_id = LazyFunction(uuid7)
    token_hash = LazyFunction(_random_digest)
    expires_at = LazyFunction(_tomorrow)


class PasswordResetFactory(ModelFactory[PasswordReset]):
    """A reset that is still to be used."""

    class Meta:
        model = PasswordReset

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    token_hash = LazyFunction(_random_digest)
    expires_at = LazyFunction(_tomorrow)


class EmailVerificationFactory(ModelFactory[EmailVerification]):
    """A verification that is still to be used."""

    class Meta:
        model = EmailVerification

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    email = LazyAttribute(lambda row: row.user.email if row.user else f"user-{row.user_id.hex}@example.com")
    token_hash = LazyFunction(_random_digest)
    expires_at = LazyFunction(_tomorrow)


class AuditEntryFactory(ModelFactory[AuditEntry]):
    """A login of a user who need not exist: the trail has no foreign keys."""

    class Meta:
        model = AuditEntry

    id = LazyFunction(uuid7)
    created_at = LazyFunction(lambda: datetime.now(UTC))
    user_id = LazyFunction(uuid7)
    event = AuditEvent.LOGIN


class TeamFactory(ModelFactory[Team]):
    """A team; give ``user`` or ``user_id`` to choose its owner."""

    class Meta:
        model = Team

    class Params:
        user = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("user.id", make=UserFactory)
    name = Sequence(lambda number: f"Team {number}")


class TeamMemberFactory(ModelFactory[TeamMember]):
    """A membership; give ``team`` and ``member`` to choose both ends."""

    class Meta:
        model = TeamMember

    class Params:
        user = None
        team = None
        member = None

    id = LazyFunction(uuid7)
    user_id = KeyOf("team.user_id", "user.id", make=UserFactory)
    team_id = KeyOf("team.id", make=TeamFactory, user_id=SelfAttribute("..user_id"))
    member_id = KeyOf("member.id", make=UserFactory)
