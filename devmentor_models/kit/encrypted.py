"""Encrypted attributes of models: text in clear to read and to assign, ciphertext in the database (Z5).

A model that has some::

    class Person(KeyedByUser, MutableRecord):
        user_id: Mapped[UUID] = mapped_column(ForeignKey("auth.users.id", ondelete="CASCADE"))
        _phone: Mapped[bytes | None] = mapped_column("phone", EncryptedText(40))
        phone = Encrypted("_phone")

What is assigned is encrypted by the flush, and the user gets a key by the same transaction, if there is none.
What is read is decrypted at that moment, so a value that cannot be decrypted harms nobody who does not read
it. The user's wrapped key is loaded with the row, by a subquery. RETURNING cannot load it: an async session
must not read an encrypted attribute of an object that only RETURNING delivered.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any, ClassVar, Self, cast, overload
from uuid import UUID

from sqlalchemy import Connection, Executable, LargeBinary, Table, bindparam, column, event, select, table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Mapper, class_mapper, column_property, declared_attr, object_mapper
from sqlalchemy.orm.attributes import set_committed_value

from devmentor_models.errors import InvalidValue, NotFound
from devmentor_models.kit.base import table_named
from devmentor_models.kit.encryption import (
    USER_KEYS,
    Ciphertext,
    EncryptedText,
    Place,
    Plaintext,
    key_ring,
    new_user_key,
)
from devmentor_models.kit.ids import uuid7

_SCHEMA, _, _NAME = USER_KEYS.partition(".")
# Not the table of the metadata, which is declared after the models that need it here.
_KEYS = table(_NAME, column("user_id"), column("wrapped_key", LargeBinary()), schema=_SCHEMA)


class KeyedByUser:
    """Mixin of models with encrypted attributes: loads the user's wrapped key with each row."""

    #: The attribute with the id of the user whose key it is.
    __key_owner__: ClassVar[str] = "user_id"

    id: Mapped[UUID]

    @declared_attr
    @classmethod
    def _user_key(cls) -> Mapped[bytes | None]:
        owner = getattr(cls, cls.__key_owner__)
        found = select(_KEYS.c.wrapped_key).where(_KEYS.c.user_id == owner).correlate_except(_KEYS)
        # Not expired by a flush: an async session could not load it again when it is read.
        return column_property(found.scalar_subquery(), expire_on_flush=False)


class Encrypted:
    """An encrypted attribute: ``str | None`` in clear.

    Args:
        attribute: The mapped attribute that holds the ciphertext; its type is `EncryptedText`.

    Reading raises `EncryptionKeyMissing` where the ring lacks the key, `DecryptionFailed` where the
    ciphertext is not the row's own or the user's key is gone. Assigning raises `InvalidValue`, or
    `EncryptionKeyMissing` where there is no ring.
    """

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: KeyedByUser, owner: type[Any]) -> str | None: ...
    def __get__(self, instance: KeyedByUser | None, owner: type[Any]) -> Self | str | None:
        if instance is None:
            return self
        value: Plaintext | Ciphertext | None = getattr(instance, self.attribute)
        if isinstance(value, Ciphertext):
            return self.place(instance).decrypt(value, instance._user_key)  # noqa: SLF001 - of this module
        return None if value is None else value.text

    def check(self, value: object) -> None:
        """Raise what assigning ``value`` would, without an object.

        Raises:
            InvalidValue: It cannot be stored.
            EncryptionKeyMissing: There is no ring.
        """
        if value is not None:
            key_ring()
            self._type.check(value)

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._model = owner

    @cached_property
    def _type(self) -> EncryptedText:
        return cast("EncryptedText", class_mapper(self._model).columns[self.attribute].type)

    def __set__(self, instance: KeyedByUser, value: str | None) -> None:
        if value is not None:
            # A missing ring is noticed here rather than by the flush, which would end the transaction.
            key_ring()
        setattr(instance, self.attribute, value)

    def place(self, instance: KeyedByUser) -> Place:
        """Return where the ciphertext of this attribute of ``instance`` belongs."""
        return Place(self._type.field, instance.id, getattr(instance, instance.__key_owner__))


def encrypted_attributes(model: type[KeyedByUser]) -> tuple[Encrypted, ...]:
    """Return the encrypted attributes of a model."""
    return tuple(item for item in vars(model).values() if isinstance(item, Encrypted))


@event.listens_for(KeyedByUser, "before_insert", propagate=True)
def _encrypt_new(_: Mapper[Any], connection: Connection, target: KeyedByUser) -> None:
    # In clear first: an insert that was rolled back has left ciphertext, maybe under a key that went with it.
    values = {item: item.__get__(target, type(target)) for item in encrypted_attributes(type(target))}
    texts = {item: text for item, text in values.items() if text is not None}
    if not texts:
        return
    if target.__dict__.get("id") is None:
        target.id = uuid7()
    # The user's own row: its key can only be stored after it.
    key = new_user_key(target.id) if _is_user(target) else _obtain(connection, target)
    _encrypt(target, texts, key)


@event.listens_for(KeyedByUser, "after_insert", propagate=True)
def _store_key(_: Mapper[Any], connection: Connection, target: KeyedByUser) -> None:
    key = target.__dict__.get("_user_key")
    if key is not None and _is_user(target):
        connection.execute(_statements()[1], {"user_id": target.id, "wrapped_key": key})


@event.listens_for(KeyedByUser, "before_update", propagate=True)
def _encrypt_changed(_: Mapper[Any], connection: Connection, target: KeyedByUser) -> None:
    values = {item: target.__dict__.get(item.attribute) for item in encrypted_attributes(type(target))}
    texts = {item: value.text for item, value in values.items() if isinstance(value, Plaintext)}
    if texts:
        # Not the key that was loaded: it may have been deleted since, and the text would be lost with it.
        _encrypt(target, texts, _obtain(connection, target))


def _encrypt(target: KeyedByUser, texts: dict[Encrypted, str], key: bytes) -> None:
    for item, text in texts.items():
        setattr(target, item.attribute, item.place(target).encrypt(text, key))
    set_committed_value(target, "_user_key", key)


def _is_user(target: KeyedByUser) -> bool:
    return target.__key_owner__ == "id"


def _obtain(connection: Connection, target: KeyedByUser) -> bytes:
    """Return the wrapped key of a user, whom it is made for if there is none."""
    user_id: UUID | None = getattr(target, target.__key_owner__)
    if user_id is None:
        raise InvalidValue(f"{object_mapper(target).local_table}.{target.__key_owner__}", "is required")
    find, add = _statements()
    found: bytes | None = connection.execute(find, {"user": user_id}).scalar()
    if found is None:
        values = {"user_id": user_id, "wrapped_key": new_user_key(user_id)}
        # Nothing is returned where another transaction was quicker; then its key counts.
        found = (
            connection.execute(add, values).scalar() or connection.execute(find, {"user": user_id}).scalar()
        )
    if found is None:
        raise NotFound("key of user", user_id)
    return found


@cache
def _statements() -> tuple[Executable, Executable]:
    """Return the statements that find a user's key, and that add one unless there is one."""
    keys: Table = table_named(USER_KEYS)
    find = select(keys.c.wrapped_key).where(keys.c.user_id == bindparam("user", type_=keys.c.user_id.type))
    add = insert(keys).on_conflict_do_nothing(index_elements=[keys.c.user_id]).returning(keys.c.wrapped_key)
    return find, add
