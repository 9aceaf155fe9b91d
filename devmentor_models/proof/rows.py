"""Every role, table and command, tried on rows of others, on rows that are shared, and on one's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import uuid4

from devmentor_models.migrations.identifiers import literal, quoted
from devmentor_models.proof.declared import (
    TRIED,
    UNIQUE_TOLD,
    Protected,
)
from devmentor_models.proof.report import Failure, Report
from devmentor_models.proof.stage import Outcome, Stage
from devmentor_models.proof.tenants import Row, Tenants
from devmentor_models.security.actor import Actor
from devmentor_models.security.declarations import COMMANDS
from devmentor_models.security.roles import BACKUP

LETTERS = {"SELECT": "r", "INSERT": "i", "UPDATE": "u", "DELETE": "d"}
#: What an expectation accepts of an outcome's kind.
ACCEPTED = {
    "refused": {"denied"},
    "no rows": {"nothing"},
    "refused or no rows": {"denied", "nothing"},
    "rows": {"rows"},
    "accepted": {"rows", "constraint"},
}
#: Takes a row away without triggers and cascades, so that it can be inserted again as it was.
WITHOUT = (
    "SET LOCAL session_replication_role = replica; DELETE FROM {table} WHERE id = {id};"
    " SET LOCAL session_replication_role = origin"
)
_PEEK = """
CREATE FUNCTION pg_temp.peek(value uuid) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $fn$
BEGIN
    IF value <> {own} THEN RAISE EXCEPTION 'seen: %', value USING ERRCODE = 'DMLEK'; END IF;
    RETURN true;
END $fn$"""


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts on one table, as one role.

    Args:
        stage: Runs them.
        report: Counts them.
        tenants: Whose rows there are.
        table: The table.
        role: The role.
    """

    stage: Stage
    report: Report
    tenants: Tenants
    table: Protected
    role: str

    def run(self) -> None:
        """Make every attempt."""
        self._strangers()
        self._without_user()
        self._purges()
        self._leaks()
        self._copies()
        self._conflicts()
        cell = self._cell(own=self._own(), shared=self._guests())
        self.report.matrix.setdefault(self.table.name, {})[self.role] = cell

    @property
    def _stranger(self) -> Actor:
        return Actor.user(self.tenants.stranger)

    @property
    def _service(self) -> Actor:
        return Actor.service(self.role.removeprefix("devmentor_"))

    @property
    def _theirs(self) -> Row:
        return self.tenants.others[self.table.name]

    @property
    def _mine(self) -> Row:
        return self.tenants.own[self.table.name]

    def expect(self, way: str, expected: str, actor: Actor | None, sql: str, *, before: str = "") -> Outcome:
        """Make one attempt, count it, and note a failure unless it ends as expected."""
        outcome = self.stage.attempt(self.role, actor, sql, before=before)
        self._count(way, expected, outcome, sql)
        return outcome

    def _count(self, way: str, expected: str, outcome: Outcome, sql: str) -> None:
        self.report.ways[way] += 1
        if outcome.kind not in ACCEPTED[expected]:
            self.report.failures.append(Failure(self.table.name, self.role, way, expected, str(outcome), sql))

    def _expected(self, command: str, *, allowed: bool) -> str:
        """Return how a command ends on a row for which the role's policies allow it, or do not."""
        if not self.table.may(self.role, command):
            return "refused"
        if allowed:
            return "rows" if command == "SELECT" else "accepted"
        return "refused" if command == "INSERT" else "refused or no rows"

    def sql(self, command: str, row: Row, actor: Actor | None) -> str:
        """Return the statement that does something with one row and changes nothing in it."""
        key = f"id = {literal(row['id'])}"
        if command == "SELECT":
            return f"SELECT id FROM {self.table.name} WHERE {key}"
        if command == "INSERT":
            return self.inserting(self._told(row, actor))
        if command == "UPDATE":
            columns = self.table.columns(self.role, "UPDATE") or ["id"]
            column = quoted("id" if "id" in columns else columns[0])
            return f"UPDATE {self.table.name} SET {column} = {column} WHERE {key}"
        return f"DELETE FROM {self.table.name} WHERE {key}"

    def inserting(self, row: Row, more: str = "") -> str:
        """Return the statement that inserts a row; what it does not say gets its default."""
        columns = ", ".join(quoted(name) for name in self.table.columns(self.role, "INSERT") if name in row)
        values = f"jsonb_populate_record(NULL::{self.table.name}, {literal(json.dumps(row))})"
        return f"INSERT INTO {self.table.name} ({columns}) SELECT {columns} FROM {values}{more}"

    def _told(self, row: Row, actor: Actor | None) -> Row:
        """Return a row as who acts may insert it: a line of the trail names them, and is of now."""
        if not self.table.trail:
            return row
        user, service = (actor.user_id, actor.name) if actor else (None, None)
        line = {"event": "login", "actor_id": user and str(user), "actor_name": service}
        return {name: value for name, value in row.items() if name != "created_at"} | line

    def _strangers(self) -> None:
        """One user's transaction, another user's row."""
        actor, name, key = self._stranger, self.table.name, f"id = {literal(self._theirs['id'])}"
        for command in COMMANDS:
            row = self._theirs | ({"id": str(uuid4())} if command == "INSERT" else {})
            expected = self._expected(command, allowed=self.table.stranger(self.role, command))
            self.expect(f"{command} of another user's row", expected, actor, self.sql(command, row, actor))
        seen = self._expected("SELECT", allowed=self.table.sees_all(self.role))
        self.expect("SELECT count(*)", seen, actor, f"SELECT 1 FROM {name} WHERE {key} HAVING count(*) > 0")
        self.expect(
            "SELECT with row_security off",
            "refused",
            actor,
            f"SET LOCAL row_security = off; SELECT id FROM {name} WHERE {key}",
        )
        refused = "refused or no rows" if self.table.may(self.role, "SELECT") else "refused"
        self.expect("SELECT FOR UPDATE", refused, actor, f"SELECT id FROM {name} WHERE {key} FOR UPDATE")
        for action in (
            f"{self.sql('UPDATE', self._theirs, actor).split(' SET ')[1].split(' WHERE ')[0]}",
            "DELETE",
        ):
            command = "DELETE" if action == "DELETE" else f"UPDATE SET {action.partition(' = ')[0]} = t.id"
            merge = f"MERGE INTO {name} t USING (SELECT 1) s ON t.{key} WHEN MATCHED THEN {command}"
            self.expect("MERGE", refused, actor, merge)
        self.expect("TRUNCATE", "refused", actor, f"TRUNCATE {name} CASCADE")
        if self.table.owner:
            self._ownership(actor)
        if self.table.trail:
            self._lies(actor)

    def _lies(self, actor: Actor) -> None:
        """Lines in another's name or nobody's, of another time, and of changes that only triggers record."""
        told = self._told(self._theirs | {"id": str(uuid4())}, actor)
        lies = (
            {"actor_id": str(self.tenants.victim)},
            {"actor_id": None},
            {"actor_name": "auth"},
            {"event": "delete"},
            {"event": "erased"},
            {"created_at": self._theirs["created_at"]},
        )
        for lie in lies:
            self.expect("a line of the trail that lies", "refused", actor, self.inserting(told | lie))

    def _ownership(self, actor: Actor) -> None:
        """Everything that is not one's own at once; taking a row, and giving one away."""
        name, owner = self.table.name, quoted(str(self.table.owner))
        mine, theirs = literal(str(self.tenants.stranger)), literal(str(self.tenants.victim))
        others = f"{owner} <> {mine}"
        expected = self._expected("SELECT", allowed=self.table.sees_all(self.role))
        if expected != "rows":
            everything = f"SELECT id FROM {name} WHERE {others} LIMIT 1"
            self.expect("SELECT of all rows of others", expected, actor, everything)
        key = "id = {}"
        for way, value, row in (
            ("UPDATE to take a row", mine, self._theirs),
            ("UPDATE to give a row away", theirs, self._mine),
        ):
            sql = f"UPDATE {name} SET {owner} = {value} WHERE {key.format(literal(row['id']))}"
            self.expect(way, "refused or no rows", actor, sql)

    def _without_user(self) -> None:
        """No context at all, one that is none, and a service on its own account."""
        none = {"no context": None, "service alone": self._service}
        for context, actor in none.items():
            for command in COMMANDS:
                row = self._theirs | ({"id": str(uuid4())} if command == "INSERT" else {})
                allowed = self._chore(command, actor, row)
                expected = self._expected(command, allowed=allowed)
                self.expect(f"{command}, {context}", expected, actor, self.sql(command, row, actor))
        sql = f"SET LOCAL devmentor.user_id = 'nobody'; {self.sql('SELECT', self._theirs, None)}"
        outcome = self.stage.attempt(self.role, None, sql)
        sees = self.table.sees_all(self.role) and self.table.may(self.role, "SELECT")
        if outcome.kind == "rows" or sees:
            self._count("SELECT, context of no UUID", "rows" if sees else "refused", outcome, sql)
        else:
            self.report.ways["SELECT, context of no UUID"] += 1

    def _chore(self, command: str, actor: Actor | None, row: Row) -> bool:
        if actor is None:
            everybody = command == "SELECT" and self.table.sees_all(self.role)
            return everybody or (
                command == "INSERT" and self.table.written_by_nobody(signed=self.stage.signed)
            )
        when = self.table.chores(self.role, command)
        if when is None:
            return False
        values = f"jsonb_populate_record(NULL::{self.table.name}, {literal(json.dumps(row))})"
        return bool(self.stage.ask(f"SELECT FROM {values} WHERE {when}"))

    def _purges(self) -> None:
        """A row that a service may delete for nobody since it expired stays as it is, and its owner's."""
        if not self.table.purged(self.role):
            return
        name, key = self.table.name, f"id = {literal(self._theirs['id'])}"
        actor = self._service
        expired = f"UPDATE {name} SET created_at = '2000-01-01', expires_at = '2000-01-02' WHERE {key}"
        moved = f"UPDATE {name} SET user_id = {literal(str(self.tenants.stranger))} WHERE {key}"
        for command, expected, sql in (
            ("DELETE", "accepted", self.sql("DELETE", self._theirs, actor)),
            ("UPDATE", "refused", self.sql("UPDATE", self._theirs, actor)),
            ("UPDATE to move a row", "refused", moved),
        ):
            self.expect(f"{command}, expired, service alone", expected, actor, sql, before=expired)

    def _leaks(self) -> None:
        """Functions and errors in WHERE that would tell what they were given."""
        owner, name = self.table.owner, self.table.name
        if not owner or self.table.sees_all(self.role):
            return
        own = literal(str(self.tenants.stranger))
        divided = (
            f"SELECT id FROM {name} WHERE 1 / (CASE WHEN {quoted(owner)} <> {own} THEN 0 ELSE 1 END) > 0"
        )
        peeking = f"SELECT id FROM {name} WHERE pg_temp.peek({quoted(owner)})"
        made = _PEEK.format(own=own)  # by the administrator: few roles may make functions anywhere
        for way, sql, before in (
            ("an error in WHERE", divided, ""),
            ("a leaky function in WHERE", peeking, made),
        ):
            outcome = self.stage.attempt(self.role, self._stranger, sql, before=before)
            self.report.ways[way] += 1
            if outcome.kind == "error":
                self.report.failures.append(
                    Failure(name, self.role, way, "not to be run on rows of others", str(outcome), sql)
                )

    def _copies(self) -> None:
        """COPY both ways: out like SELECT, in never, since it would not check row security."""
        whole = "SELECT" in self.table.privileges.get(self.role, {}) and self.table.may(self.role, "SELECT")
        sql = f"COPY (SELECT * FROM {self.table.name} WHERE id = {literal(self._theirs['id'])}) TO STDOUT"
        columns = self.table.privileges.get(self.role, {}).get("SELECT")
        allowed = whole and columns is None and self.table.sees_all(self.role)
        outcome = self.stage.copy_out(self.role, self._stranger, sql, str(self._theirs["id"]))
        self._count("COPY of a query", "rows" if allowed else "refused or no rows", outcome, sql)
        if not allowed:
            sql = f"COPY {self.table.name} TO STDOUT"
            outcome = self.stage.copy_out(self.role, self._stranger, sql, str(self._theirs["id"]))
            self._count("COPY TO", "refused or no rows", outcome, sql)
        sql = f"COPY {self.table.name} FROM STDIN"
        outcome = self.stage.copy_in(self.role, self._stranger, sql)
        self._count("COPY FROM", "refused", outcome, sql)

    def _conflicts(self) -> None:
        """Whether ON CONFLICT tells that another user has a value."""
        owner = self.table.owner
        if not owner or owner == "id" or not self.table.may(self.role, "INSERT"):
            return
        row = self._theirs | {owner: str(self.tenants.stranger)}
        way, sql = (
            "ON CONFLICT DO NOTHING",
            self.inserting(row | {"id": str(uuid4())}, " ON CONFLICT DO NOTHING"),
        )
        outcome = self.stage.attempt(self.role, self._stranger, sql, before=self._without(self._mine))
        self.report.ways[way] += 1
        told = any(column in UNIQUE_TOLD for column in row)
        if outcome.kind == "nothing" and not told:
            expected = "the same as with values that nobody has"
            self.report.failures.append(Failure(self.table.name, self.role, way, expected, str(outcome), sql))
        update = " ON CONFLICT (id) DO UPDATE SET id = EXCLUDED.id"
        if "created_at" in self.table.table.primary_key:
            update = " ON CONFLICT (id, created_at) DO UPDATE SET id = EXCLUDED.id"
        self.expect("ON CONFLICT DO UPDATE", "refused", self._stranger, self.inserting(row, update))

    def _guests(self) -> str:
        """Rows that are shared: what their owner's guests may do; return what an editor could."""
        done = ""
        if not self.table.shared:
            return done
        for guest, editor in ((self.tenants.viewer, False), (self.tenants.editor, True)):
            who = "editor's" if editor else "viewer's"
            for command in COMMANDS:
                allowed = self.table.guest(self.role, command, editor=editor)
                expected = self._expected(command, allowed=allowed)
                outcome = self._repeat(f"{who} {command}", command, expected, Actor.user(guest), self._theirs)
                done += LETTERS[command] if editor and outcome.kind in ACCEPTED["accepted"] else ""
                expected = self._expected(command, allowed=self.table.stranger(self.role, command))
                hidden = self.tenants.hidden[self.table.name]
                self._repeat(f"{who} {command}, not shared", command, expected, Actor.user(guest), hidden)
        return done

    def _own(self) -> str:
        """One's own row, so that a role that may do nothing at all is not taken for one that is safe."""
        done = ""
        for command in COMMANDS:
            allowed = self.table.owning(command) or (self.role == BACKUP.name and command == "SELECT")
            expected = self._expected(command, allowed=allowed)
            way = f"{command} of one's own row"
            outcome = self._repeat(way, command, expected, self._stranger, self._mine)
            done += LETTERS[command] if outcome.kind in ACCEPTED["accepted"] else ""
        return done

    def _repeat(self, way: str, command: str, expected: str, actor: Actor, row: Row) -> Outcome:
        """Do something with a row that is there; what is inserted is that row again."""
        before = self._without(row) if command == "INSERT" else ""
        return self.expect(way, expected, actor, self.sql(command, row, actor), before=before)

    def _without(self, row: Row) -> str:
        return WITHOUT.format(table=self.table.name, id=literal(row["id"]))

    def _cell(self, *, own: str, shared: str) -> str:
        """Return the matrix's cell, which says what could be done."""
        if self.role == BACKUP.name:
            return "all"
        everybody = self.table.sees_all(self.role) and self.table.may(self.role, "SELECT")
        alone = "".join(
            LETTERS[command]
            for command in COMMANDS
            if self.table.chores(self.role, command) and self.table.may(self.role, command)
            if not (command == "SELECT" and everybody)
        )
        cell = own + (f"+{shared}" if shared else "") + (f"/{alone}" if alone else "")
        return f"={cell}" if everybody else cell or "-"


def attempt_rows(stage: Stage, report: Report, tenants: Tenants, tables: dict[str, Protected]) -> None:
    """Make every attempt on every table as every role."""
    for table in tables.values():
        for role in TRIED:
            Attempts(stage, report, tenants, table, role).run()
