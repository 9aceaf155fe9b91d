"""An export has every text, key and JSON value that the database holds of a person (F9)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.orm import Session

from devmentor_models import Actor, Database
from devmentor_models.auth.queries import tables_with_users, user_columns
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from devmentor_models.testing.factories.auth import UserFactory
from tests.support.every_model import insert_everything
from tests.support.users import committed

#: Secrets, and digests of what is in the export or is a secret: nobody is given those.
LEFT_OUT = {"password_hash", "wrapped_key", "token_hash", "content_hash", "request_hash", "sha256"}
#: What PostgreSQL derives from other columns.
DERIVED = {"fts", "symbols", "email_key", "username_key", "passed", "qdrant_point_id"}


def leaves(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str):
        yield value


def person(session: Session) -> UUID:
    """Make a user with a row in every table."""
    user = UserFactory.insert(session, full_name="Ada Lovelace")
    insert_everything(session, user.id)
    return user.id


def test_nothing_is_missing(devmentor_server: DatabaseServer, devmentor_database_url: str) -> None:
    """Every column of every row with the user in it, compared with what the auth service gives out."""
    user = committed(devmentor_database_url, person)
    with (
        devmentor_server.login(devmentor_database_url, "devmentor_auth") as url,
        Database.from_url(url, pool_min=0) as database,
        database.begin(Actor.service("auth", on_behalf_of=user)) as tx,
    ):
        export = tx.users.export()
    assert {name.rpartition(".")[2] for name in export["left_out"]} == LEFT_OUT | DERIVED
    given = set(leaves(json.loads(json.dumps(export))))
    assert "Ada Lovelace" in given
    assert all(row["embedding"] for row in export["tables"]["memory.embeddings_meta"])
    missing, compared = set(), 0
    with psycopg.connect(conninfo(devmentor_database_url)) as connection:
        for table in tables_with_users():
            owner = user_columns(table)[0]
            query = f"SELECT to_jsonb(t) FROM {table.fullname} t WHERE {owner} = %s"
            rows = connection.execute(query.encode(), [user]).fetchall()
            assert rows or owner not in {"id", "user_id"}, table.fullname
            for (row,) in rows:
                if row.get("event") == "exported":  # the line about this export
                    continue
                for column, value in row.items():
                    texts = [text for text in leaves(value) if not text.startswith("\\x")]  # encrypted
                    if column.endswith("_at") or column in LEFT_OUT | DERIVED | {"embedding"}:
                        continue
                    compared += len(texts)
                    missing |= {(table.fullname, column) for text in texts if text not in given}
    assert compared > 100
    assert missing == set()
