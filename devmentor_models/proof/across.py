"""One attempt across transactions: an attacker's, a victim's two, and the attacker's again.

All four run on the only connection of a pool, through the library as services use it. The attacker leaves
something, as injected SQL would; the victim reads and writes through the repositories; the attacker comes
back and looks for what the victim did. What became of the rows is asked as the administrator.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from sqlalchemy import text

from devmentor_models.database import Database
from devmentor_models.errors import ContextRefused, DevMentorError, PermissionDenied
from devmentor_models.kit.provenance import constant
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.proof.planted import LOOT, PREPARED, Answer, Planted
from devmentor_models.security.actor import Actor
from devmentor_models.security.context import SIGNATURE_SECONDS
from devmentor_models.security.signing import (
    IDENTITY,
    SessionIdentity,
    context_arguments,
    signing_key,
)
from devmentor_models.transaction import Transaction

_PREPARING = 3  # after so many times the driver has prepared what it runs
_GONE_SECONDS = 5.0  # for a session that was ended to be gone

# Known to be the library's own: only what is planted makes a session one to be cleared.
_SESSION = constant(f"{IDENTITY}, pg_catalog.current_setting('devmentor.seal', true)")
ENDED = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s"
_PROJECTS = "SELECT id FROM projects.projects WHERE user_id = ANY(%s)"
_COLLABORATORS = "SELECT 1 FROM projects.project_collaborators WHERE user_id = ANY(%s) OR member_id = ANY(%s)"
_TRAIL = "SELECT DISTINCT actor_id, actor_name, user_id FROM auth.audit_log WHERE row_id = %s"
_BLAMED = "SELECT 1 FROM auth.audit_log WHERE actor_id <> user_id AND user_id = ANY(%s)"
_CLEARED = (
    "DELETE FROM projects.project_collaborators WHERE user_id = ANY(%s)",
    "DELETE FROM memory.documents WHERE user_id = ANY(%s)",
)


class _TakenBack(Exception):
    """Rolls the attacker's transaction back."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """One of the two who share a connection.

    Attributes:
        user: Their id.
        project: Their project.
    """

    user: UUID
    project: UUID

    @property
    def actor(self) -> Actor:
        """The user as an actor."""
        return Actor.user(self.user)


@dataclass(slots=True)
class Across:
    """Makes attempts as one login.

    Attributes:
        admin: A superuser's connection, in autocommit mode.
        sessions: The connection string of the login, by way of a pooler where there is one.
        login: The login.
        attacker: Who leaves something.
        victim: Who comes next.
        stores: Whether the login may make temporary tables, and stores documents through them.
        key: What signs contexts; None where they are not signed.
        pooled: Whether a pooler shares server processes among clients.
        forged: Whether the last attempt showed the attacker rows of the victim's at once.
    """

    admin: psycopg.Connection[Any]
    sessions: str
    login: str
    attacker: Tenant
    victim: Tenant
    stores: bool
    key: str | None
    pooled: bool
    forged: bool = False
    _database: Database | None = None
    _problems: list[str] = field(default_factory=list)
    _made: UUID | None = None
    _process: int = 0

    def attempt(self, attempt: Planted) -> list[str]:
        """Make one attempt; return what is wrong, in words."""
        self._problems, self._made, self._process = [], None, 0
        self.forged = False
        if self._database is None:
            self._database = self._open()
        database = self._database
        with self._noting("the victim, before it,"):
            self._rehearse(database)
        self._plant(database, attempt)
        if attempt.reconnects:
            self.admin.execute(ENDED, [self.login])
        with self._noting("the victim"):
            self._succeed(database, attempt)
        self._return(database, attempt)
        self._judge()
        self._clear(attempt)
        if self._problems:
            self.close()  # or the next attempt would meet what this one has left
        return self._problems

    def close(self) -> None:
        """Close the pool."""
        if self._database is not None:
            self._database.close()
            self.admin.execute(ENDED, [self.login])  # a pooler keeps them
        self._database = None

    def _open(self) -> Database:
        return Database.from_url(
            self.sessions,
            pool_min=0,
            pool_max=1,
            context_key=self.key or "",
        )

    @contextmanager
    def _noting(self, who: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever hinders the victim is told
            self._problems.append(f"{who} got {type(error).__name__}: {error}")

    def _expect(self, that: bool, problem: str) -> None:
        if not that:
            self._problems.append(problem)

    def _rehearse(self, database: Database) -> None:
        """Read as the victim until the driver has prepared it."""
        with database.begin(self.victim.actor, readonly=True) as tx:
            for _ in range(_PREPARING):
                tx.projects.list()

    def _plant(self, database: Database, attempt: Planted) -> None:
        """Leave something as the attacker."""
        answer = Answer.ACCEPTED
        try:
            with suppress(_TakenBack), database.begin(self.attacker.actor) as tx:
                self._leave(tx, attempt)
        except (PermissionDenied, ContextRefused):
            answer = Answer.REFUSED
        except DevMentorError as error:
            answer = Answer.EITHER
            if attempt.answer is not Answer.EITHER:
                self._problems.append(f"the attacker got {type(error).__name__}: {error}")
        expected = Answer.REFUSED if attempt.temporary and not self.stores else attempt.answer
        if Answer.EITHER not in (answer, expected):
            self._expect(answer is expected, f"it was {answer}")
        defended = not self.forged or not self.key or bool(attempt.accepted)
        self._expect(defended, "the attacker read the victim's rows at once")

    def _leave(self, tx: Transaction, attempt: Planted) -> None:
        words = self._words(tx)
        tx.session.execute(text(attempt.sql.format(**words)))
        if attempt.forges:
            self.forged = tx.session.execute(text(LOOT.format(**words))).first() is not None
        if not attempt.committed:
            raise _TakenBack

    def _words(self, tx: Transaction) -> dict[str, str]:
        """Note the server process; return what the words of an attempt stand for."""
        self._process, seconds, seal = tx.session.execute(_SESSION).one()
        key, victim = signing_key(self.key), self.victim.actor
        here = SessionIdentity.answered(self._process, float(seconds))
        aside = SIGNATURE_SECONDS + 5
        mine = context_arguments(self.attacker.actor, key, here)
        arguments = {
            "captured": context_arguments(victim, key, here),
            "elsewhere": context_arguments(victim, key, replace(here, backend=self._process + 1)),
            "late": context_arguments(victim, key, replace(here, ahead=here.ahead - aside)),
            "early": context_arguments(victim, key, replace(here, ahead=here.ahead + aside)),
            "altered": (*victim.context(), *mine[len(victim.context()) :]),
            "unsigned": context_arguments(victim),
        }
        words = {name: ", ".join(map(_literal, values)) for name, values in arguments.items()}
        words |= {"attacker": str(self.attacker.user), "victim": str(self.victim.user), "login": self.login}
        return words | {"seal": str(seal or ""), "database": self.admin.info.dbname}

    def _succeed(self, database: Database, attempt: Planted) -> None:
        """Read and write as the victim."""
        name = f"Grüße {uuid4().hex}"
        with database.begin(self.victim.actor) as tx:
            self._expect(self._seen(tx) == {self.victim.project}, "the victim saw other rows than their own")
            made = tx.projects.create(name=name, tags=["ä", "b"], settings={"half": 0.5})
            self._made = made.id
            if self.stores:
                tx.documents.store(title=name, content=name, source=DocumentSource.NOTE, project_id=made.id)
            if not attempt.settles:
                self._look(tx, attempt)
        with database.begin(self.victim.actor, readonly=True) as tx:
            both = {self.victim.project, made.id}
            self._expect(self._seen(tx) == both, "the victim saw other rows than their own, read-only")
            found = tx.projects.get(made.id)
            kept = (found.name, found.tags, found.settings, found.created_at) == (
                name,
                ["ä", "b"],
                {"half": 0.5},
                made.created_at,
            )
            self._expect(kept, "what the victim wrote reads otherwise")
            if self.stores:
                titles = [document.title for document in tx.documents.list().items]
                self._expect(titles == [name], "the victim saw other documents than their own")
            if attempt.settles:
                self._look(tx, attempt)

    def _seen(self, tx: Transaction) -> set[UUID]:
        return {project.id for project in tx.projects.list().items}

    def _look(self, tx: Transaction, attempt: Planted) -> None:
        """Look for what was left, in the same process; where it is another, the first must have ended."""
        met = tx.session.execute(_SESSION).one()[0]
        if met != self._process and not attempt.reconnects:
            self._expect(self._is_gone(self._process), "the victim met another session, and that one goes on")
        if attempt.left and not (self.pooled and attempt.left == PREPARED):
            words = {"attacker": self.attacker.user, "victim": self.victim.user}
            found = tx.session.execute(text(attempt.left.format(**words))).all()
            self._expect(not found, f"it was still there: {len(found)}")

    def _is_gone(self, process: int) -> bool:
        give_up = time.monotonic() + _GONE_SECONDS
        query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
        while self.admin.execute(query, [process]).fetchone():
            if time.monotonic() > give_up:
                return False
            time.sleep(0.01)
        return True

    def _return(self, database: Database, attempt: Planted) -> None:
        """Look for the victim's rows as the attacker, in the tables and in what was left."""
        words = {"attacker": self.attacker.user, "victim": self.victim.user}
        with self._noting("the attacker, afterwards,"), database.begin(self.attacker.actor) as tx:
            self._expect(self._seen(tx) == {self.attacker.project}, "the attacker then saw others' rows")
            with suppress(DevMentorError), tx.savepoint():
                found = tx.session.execute(text(attempt.loot.format(**words))).all()
                self._expect(not found, f"the attacker then read {len(found)} of the victim's")

    def _judge(self) -> None:
        """See what became of the rows."""
        users = [self.attacker.user, self.victim.user]
        found = {row[0] for row in self.admin.execute(_PROJECTS, [users])}
        expected = {self.attacker.project, self.victim.project} | ({self._made} if self._made else set())
        self._expect(found == expected, "there are other projects than those that were made")
        gained = self.admin.execute(_COLLABORATORS, [users, users]).fetchone()
        self._expect(gained is None, "somebody gained access to a project")
        blamed = self.admin.execute(_BLAMED, [users]).fetchone()
        self._expect(blamed is None, "the trail names one of them for what is the other's")
        if self._made:
            trail = self.admin.execute(_TRAIL, [self._made]).fetchall()
            told = [(self.victim.user, None, self.victim.user)]
            self._expect(trail == told, "the trail does not name the victim, and nobody else")

    def _clear(self, attempt: Planted) -> None:
        users = [self.attacker.user, self.victim.user]
        for statement in _CLEARED:
            self.admin.execute(statement, [users])
        kept = [self.attacker.project, self.victim.project]
        query = "DELETE FROM projects.projects WHERE user_id = ANY(%s) AND id <> ALL(%s)"
        self.admin.execute(query, [users, kept])
        if attempt.reconnects:
            login, database = sql.Identifier(self.login), sql.Identifier(self.admin.info.dbname)
            self.admin.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(login))
            self.admin.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(login, database))
            self.admin.execute(ENDED, [self.login])


def _literal(value: object) -> str:
    return sql.Literal(value).as_string(None)
