"""A service that is loaded before its server forks: it verifies the schema then, as one should."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import text

from devmentor_models import Actor, Database

WHO = text("SELECT pg_backend_pid(), current_setting('devmentor.user_id')")
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def service() -> Application:
    """Return the application, ready to be forked."""
    database = Database.from_env()
    database.verify_schema()
    master = os.getpid()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer which process and which backend served whom."""
        user = environ["QUERY_STRING"]
        with database.begin(Actor.user(UUID(user))) as tx:
            backend, found = tx.session.execute(WHO).one()
            tx.session.execute(text("SELECT pg_sleep(0.005)"))
        start_response("200 OK", [("Content-Type", "application/json")])
        answer = {"master": master, "worker": os.getpid(), "backend": backend, "user": found}
        return [json.dumps(answer).encode()]

    return application
