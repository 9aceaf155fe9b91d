# Generated from client_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""A client of the soak: one transaction after the other, each noted in its ledger."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from devmentor_models import Actor, Database
from devmentor_models.errors import CommitUnknown, DatabaseError, DevMentorError, InvalidValue
from devmentor_models.transaction import Transaction
from tests.soak.ledger import Ledger

#: What SQL may leave behind in a session, which must reach nobody else.
LEFTOVERS = (
    "SET statement_timeout = '1ms'",
    "SET idle_in_transaction_session_timeout = '1ms'",
    "SET lock_timeout = '1ms'",
    "SET TimeZone = 'Asia/Kathmandu'",
    "SET DateStyle = 'German'",
    "SET IntervalStyle = 'sql_standard'",
    "SET search_path = pg_temp",
    "SET bytea_output = 'escape'",
    "SET client_encoding = 'LATIN1'",
    "SET row_security = off",
    "SET default_transaction_isolation = 'serializable'",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET ROLE devmentor_memory",
    "SET devmentor.user_id = '00000000-0000-0000-0000-000000000000'",
    'PREPARE "_pg3_0" AS SELECT 1',
    'PREPARE "_pg3_7" AS SELECT 1',
    "SELECT pg_advisory_lock((random() * 1e15)::bigint)",
    "LISTEN soak",
    "DECLARE soak CURSOR WITH HOLD FOR SELECT 1",
    "DISCARD PLANS",
    "DEALLOCATE ALL",
)
#: What none of them may have changed when a transaction begins.
PINNED = text(
    """SELECT current_setting('TimeZone'), current_setting('DateStyle'), current_setting('statement_timeout'),
              current_setting('row_security'), current_user = session_user,
              (SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE from_sql),
              (SELECT count(*) FROM pg_catalog.pg_locks
                WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'advisory'),
              (SELECT count(*) FROM pg_catalog.pg_cursors WHERE is_holdable)"""
)
AS_PINNED = ("UTC", "ISO, MDY", "0", "on", True, 0, 0, 0)
STRANGERS = text("SELECT count(*) FROM projects.tasks WHERE user_id <> :user_id")


class DeliberateError(Exception):
    """The client gives its transaction up."""


class Client:
    """Does transactions of all kinds.

    Args:
        database: Where.
        ledger: What notes them, and whose they are.
    """

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self.ledger = ledger
        self._actor = Actor.user(ledger.tenant.user_id, request_id=ledger.name)

    def work(self) -> None:
        """Do one transaction, and note its outcome. Raises only what the library must not raise."""
        ledger = self.ledger
        ledger.begin()
        job = random.choices(list(JOBS), weights=list(JOBS.values()))[0]
        try:
            self._transact(job)
            ledger.commit()
        except CommitUnknown:
            ledger.doubt("CommitUnknown")
        except (DevMentorError, DeliberateError) as error:
            ledger.refuse(type(error).__name__)
        except BaseException as error:
            ledger.interrupt(type(error).__name__)
            raise

    def _transact(self, job: Job) -> None:
        def run(tx: Transaction) -> None:
            self.ledger.begin()
            job(self, tx)
            self.ledger.complete()

        if random.random() < 0.3:
            strictly: Any = random.choice([None, "REPEATABLE READ", "SERIALIZABLE"])
            self._database.run(run, actor=self._actor, isolation=strictly, attempts=3)
        else:
            with self._database.begin(self._actor) as tx:
                run(tx)

    def insert(self, tx: Transaction) -> None:
        """Add a row."""
        title, says = self.ledger.title(), uuid4().hex
        task = tx.tasks.create(project_id=self.ledger.tenant.project_id, title=title, description=says)
        self.ledger.write(title, says, task.id)

    def insert_some(self, tx: Transaction) -> None:
        """Add rows, of which all are there or none."""
        for _ in range(3):
            self.insert(tx)

    def update(self, tx: Transaction) -> None:
        """Change a row that is known to be there."""
        if not self.ledger.known:
            return
        title = random.choice(list(self.ledger.known))
        row, says = self.ledger.known[title], uuid4().hex
        tx.tasks.update(row, description=says)
        self.ledger.write(title, says, row)

    def read(self, tx: Transaction) -> None:
        """Read a page of rows: only one's own."""
        tenant = self.ledger.tenant
        project = tx.projects.get(tenant.project_id)
        page = tx.tasks.list(project.id, limit=20)
        assert {task.user_id for task in page.items} <= {tenant.user_id}

    def undo_a_part(self, tx: Transaction) -> None:
        """Fail in a savepoint; what is outside of it is committed."""
        self.insert(tx)
        try:
            with tx.savepoint():
                self.fail(tx)
        except DeliberateError:
            self.ledger.undo()
            self.insert(tx)

    def fail(self, tx: Transaction) -> None:
        """Write something and give up."""
        self.insert(tx)
        raise DeliberateError

    def fail_in_the_server(self, tx: Transaction) -> None:
        """Write something, and have a statement refused."""
        self.insert(tx)
        tx.session.execute(text("SELECT 1 / 0"))

    def pass_over_an_error(self, tx: Transaction) -> None:
        """Write something, and go on as if no statement had been refused: nothing of it can be committed."""
        with suppress(DatabaseError):
            self.fail_in_the_server(tx)

    def be_refused(self, tx: Transaction) -> None:
        """Give a value that is refused, and go on."""
        try:
            tx.tasks.create(project_id=self.ledger.tenant.project_id, title="x" * 1000)
        except InvalidValue:
            self.insert(tx)

    def leave_something(self, tx: Transaction) -> None:
        """Leave something in the session."""
        self.insert(tx)
        for leftover in random.sample(LEFTOVERS, 2):
            tx.session.execute(text(leftover))

    def find_nothing(self, tx: Transaction) -> None:
        """Look for what others may have left in the session, and for their rows."""
        assert tuple((tx.session.execute(PINNED)).one()) == AS_PINNED
        seen = tx.session.execute(STRANGERS, {"user_id": self.ledger.tenant.user_id})
        assert seen.scalar_one() == 0


Job = Callable[[Client, Transaction], None]
#: What a client does, and how often.
JOBS: dict[Job, int] = {
    Client.insert: 20,
    Client.insert_some: 5,
    Client.update: 20,
    Client.read: 30,
    Client.undo_a_part: 6,
    Client.fail: 4,
    Client.fail_in_the_server: 3,
    Client.pass_over_an_error: 2,
    Client.be_refused: 3,
    Client.leave_something: 5,
    Client.find_nothing: 8,
}
