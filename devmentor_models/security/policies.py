"""From ``__security__`` to row security, policies and grants (Z1, Z2; DESIGN §4).

Policies are plain expressions over the row's own columns and the functions of `context`. Each names the roles
that it is for, so that a grant too many shows nothing. What they read of the context counts only where it may
be believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Table

from devmentor_models.kit.base import Base, protected_tables
from devmentor_models.kit.objects import Statement, declare, statement
from devmentor_models.security.context import believed
from devmentor_models.security.declarations import Policy, Security, Visibility, Writers
from devmentor_models.security.roles import BACKUP, OWNER, READONLY

_NOBODY_IN_PARTICULAR = "devmentor.claimed_user_id() IS NULL AND devmentor.claimed_service() IS NOT NULL"

_IN_ONES_OWN_NAME = (
    "(actor_id IS NULL OR actor_id = devmentor.claimed_user_id())"
    " AND (actor_name IS NULL OR actor_name = devmentor.claimed_service())"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy.

    Attributes:
        name: Its name.
        command: ``ALL`` or one command.
        condition: Which rows.
        roles: For whom.
    """

    name: str
    command: str
    condition: str
    roles: tuple[str, ...] = ()

    def statement(self, table: str) -> Statement:
        """Return it as a declared statement."""
        command = "" if self.command == "ALL" else f" FOR {self.command}"
        using = "" if self.command == "INSERT" else f" USING ({self.condition})"
        check = "" if self.command in {"SELECT", "DELETE"} else f" WITH CHECK ({self.condition})"
        return statement(
            f"CREATE POLICY {self.name} ON {table}{command} TO {', '.join(self.roles)}{using}{check}"
        )


def declare_policies() -> None:
    """Declare the protection of every mapped table as its ``__security__`` says."""
    used: dict[str, set[str]] = {}
    for table, security in protected_tables():
        declare(Base.metadata, *protection(table, security))
        roles = {grant.service.role for grant in security.grants} | {READONLY.name, BACKUP.name}
        used.setdefault(str(table.schema), set()).update(roles)
    for schema, roles in used.items():
        for role in sorted(roles):
            declare(Base.metadata, statement(f"GRANT USAGE ON SCHEMA {schema} TO {role}", needs_tables=False))


def protection(table: Table, security: Security) -> Iterator[Statement]:
    """Yield the statements that protect one table."""
    name = table.fullname
    yield statement(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
    yield statement(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
    for rule in rules(security):
        if rule.roles:
            yield rule.statement(name)
    for grant in security.grants:
        yield statement(f"GRANT {', '.join(grant.privileges)} ON {name} TO {grant.service.role}")
    shown = ", ".join(column.name for column in table.columns if column.name not in security.redacted)
    columns = f" ({shown})" if security.redacted else ""
    yield statement(f"GRANT SELECT{columns} ON {name} TO {READONLY.name}")
    yield statement(f"GRANT SELECT ON {name} TO {BACKUP.name}")


def rules(security: Security) -> Iterator[Rule]:
    """Yield the policies of a table."""
    for rule in _believing(security):
        asks = "devmentor.claimed_" in rule.condition
        yield replace(rule, condition=believed(rule.condition)) if asks else rule
    for command in security.definer:
        yield Rule(f"definer_{command.lower()}", command, "true", (OWNER.name,))
    yield Rule("backup", "SELECT", "true", (BACKUP.name,))


def _believing(security: Security) -> Iterator[Rule]:
    """Yield the policies of those who act for somebody."""
    for rule in _access(security):
        roles = _with_privilege(security, rule.command)
        yield replace(rule, roles=(*roles, READONLY.name) if rule.command == "SELECT" else roles)
    if security.policy.visibility is Visibility.OWNER:
        yield Rule("report", "SELECT", _own(security.policy), (READONLY.name,))
    for chore in security.chores:
        condition = _NOBODY_IN_PARTICULAR + (f" AND ({chore.when})" if chore.when else "")
        for command in chore.commands:
            yield Rule(f"chore_{command.lower()}", command, condition, (security.grants[0].service.role,))


def _with_privilege(security: Security, command: str) -> tuple[str, ...]:
    """Return the roles that may run a command on the table at all."""
    return tuple(
        grant.service.role
        for grant in security.grants
        if command == "ALL" or any(privilege.startswith(command) for privilege in grant.privileges)
    )


def _own(policy: Policy) -> str:
    return f"{policy.owner} = devmentor.claimed_user_id()"


def _access(security: Security) -> Iterator[Rule]:
    """Yield who may do what with whose rows; for which roles comes later."""
    policy = security.policy
    if policy.visibility is Visibility.SHARED:
        yield from _shared(policy)
    elif policy.visibility is Visibility.OWNER:
        yield Rule("owner", "ALL", _own(policy))
        if policy.catalogue:
            yield Rule("catalogue", "SELECT", f"{policy.owner} IS NULL")
    elif policy.visibility is Visibility.TRAIL:
        yield Rule("subject", "SELECT", _own(policy))
        yield Rule("actor", "INSERT", _IN_ONES_OWN_NAME)
    elif policy.visibility is Visibility.EVERYONE:
        yield Rule("everyone", "SELECT", "true")
    else:
        yield Rule("service", "ALL", _NOBODY_IN_PARTICULAR)
        if policy.writers is Writers.EVERYONE:
            yield Rule("adder", "INSERT", "true")


def _shared(policy: Policy) -> Iterator[Rule]:
    # The first condition is the index's: (user_id, …) leads every index of such a table. The second one says
    # which rows of those owners.
    column, kind = (policy.project, "projects") if policy.project else (policy.team, "teams")
    own = _own(policy)

    def allowed(which: str) -> str:
        return (
            f"{policy.owner} = ANY (devmentor.claimed_owners())"
            f" AND ({own} OR {column} = ANY (devmentor.claimed_{which}_{kind}()))"
        )

    editors = allowed("edited")
    yield Rule("reader", "SELECT", allowed("shared"))
    yield Rule("maker", "INSERT", editors if policy.writers is Writers.EDITORS else own)
    yield Rule("editor", "UPDATE", own if policy.writers is Writers.OWNER else editors)
    yield Rule("remover", "DELETE", editors if policy.writers is Writers.EDITORS else own)
    if policy.member:
        yield Rule("leaver", "DELETE", f"{policy.member} = devmentor.claimed_user_id()")
