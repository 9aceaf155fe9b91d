"""Where attempts are made: one transaction that is rolled back, and a savepoint for each attempt.

An attempt runs under ``SET SESSION AUTHORIZATION`` of a login of its own, as a service's does: under a mere
``SET ROLE`` the session would still be the administrator's, who may take any role.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import psycopg

from devmentor_models.kit.base import TECHNICAL_SCHEMA
from devmentor_models.migrations.identifiers import literal
from devmentor_models.security.actor import Actor
from devmentor_models.security.context import CONTEXT_REFUSED

#: What PostgreSQL says where a right is missing, or where a command cannot be used on such a relation; and
#: what our functions say of a context that nobody signed.
REFUSALS = frozenset({"42501", "0A000", "42809", CONTEXT_REFUSED})
#: The class of violated constraints: rights and row security had let the statement pass.
CONSTRAINTS = "23"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        rows: How many rows it gave or changed; 0 after an error.
        state: The SQLSTATE of its error; empty without one.
        message: What PostgreSQL said, or the first value that came back.
        constraint: The constraint that was violated, if one was.
    """

    rows: int = 0
    state: str = ""
    message: str = ""
    constraint: str = ""

    @property
    def kind(self) -> str:
        """``rows``, ``nothing``, ``denied``, ``constraint`` or ``error``."""
        if not self.state:
            return "rows" if self.rows else "nothing"
        if self.state in REFUSALS:
            return "denied"
        return "constraint" if self.state.startswith(CONSTRAINTS) else "error"

    def __str__(self) -> str:
        """Return it in words."""
        if self.state:
            return f"{self.state} {self.message}"
        return f"{self.rows} row{'' if self.rows == 1 else 's'}" if self.rows else "no rows"


class Stage:
    """Runs attempts.

    Args:
        connection: In a transaction, as a superuser.
        logins: The login of each role.
    """

    def __init__(self, connection: psycopg.Connection[Any], logins: dict[str, str]) -> None:
        self.connection = connection
        self.logins = logins
        self.signed: bool = self.ask(f"SELECT {TECHNICAL_SCHEMA}.signed()")[0][0]

    def attempt(self, role: str, actor: Actor | None, sql: str, *, before: str = "") -> Outcome:
        """Run ``sql`` as a role for an actor and take it back.

        Args:
            role: The role.
            actor: For whom; None: no context at all.
            sql: One statement or several; the last one's rows count.
            before: What the administrator does first.
        """
        message = f"{self._begin(role, actor, before)}; {sql}"
        try:
            cursor = self.connection.execute(message.encode(), prepare=False)
            while cursor.nextset():
                pass
            first = cursor.fetchone() if cursor.description else None
            outcome = Outcome(rows=max(cursor.rowcount, 0), message=str(first[0]) if first else "")
        except psycopg.Error as error:
            outcome = _failed(error)
        self._take_back()
        return outcome

    def copy_out(self, role: str, actor: Actor | None, sql: str, marker: str) -> Outcome:
        """Run a COPY … TO STDOUT as a role; the rows that hold ``marker`` count."""
        found = 0
        try:
            self.connection.execute(self._begin(role, actor, "").encode(), prepare=False)
            with self.connection.cursor().copy(sql.encode()) as copy:
                for block in copy:
                    found += bytes(block).count(marker.encode())
            outcome = Outcome(rows=found)
        except psycopg.Error as error:
            outcome = _failed(error)
        self._take_back()
        return outcome

    def copy_in(self, role: str, actor: Actor | None, sql: str) -> Outcome:
        """Begin a COPY … FROM STDIN as a role and send nothing; one row counts where it was accepted."""
        try:
            self.connection.execute(self._begin(role, actor, "").encode(), prepare=False)
            with self.connection.cursor().copy(sql.encode()):
                pass
            outcome = Outcome(rows=1, message="COPY was accepted")
        except psycopg.Error as error:
            outcome = _failed(error)
        self._take_back()
        return outcome

    def ask(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask something as the administrator."""
        cursor = self.connection.execute(sql.encode(), parameters or None)
        return cast("list[tuple[Any, ...]]", cursor.fetchall())

    def _begin(self, role: str, actor: Actor | None, before: str) -> str:
        parts = ["SAVEPOINT attempt", before, entered(actor) if actor else ""]
        parts.append(f"SET LOCAL SESSION AUTHORIZATION {self.logins[role]}")
        return "; ".join(part for part in parts if part)

    def _take_back(self) -> None:
        self.connection.execute(b"ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt", prepare=False)


def entered(actor: Actor) -> str:
    """Return what brings an actor's context into the transaction, sealed where the database wants that.

    The administrator does what a service's key and ``devmentor.enter()`` do, also for roles that may not.
    """
    values = ", ".join(literal(value) for value in actor.context())
    return (
        f"SELECT {TECHNICAL_SCHEMA}.set_context(ARRAY[{values}], inner_pad, outer_pad)"
        f" FROM (VALUES (0)) AS signing(place) LEFT JOIN {TECHNICAL_SCHEMA}.context_keys USING (place)"
    )


def _failed(error: psycopg.Error) -> Outcome:
    diagnosis = error.diag
    return Outcome(
        state=error.sqlstate or "?",
        message=diagnosis.message_primary or str(error),
        constraint=diagnosis.constraint_name or "",
    )
