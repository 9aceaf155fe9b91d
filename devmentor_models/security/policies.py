"""From ``__security__`` to row security, policies and grants (Z1, Z2; DESIGN §4).

Policies are plain expressions over the row's own columns and the functions of `context`. Each names the roles
that it is for, so that a grant too many shows nothing. What they read of the context is what the transaction
claims; that it counts only where it may be believed is for the barriers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Table

from devmentor_models.kit.base import Base, protected_tables
from devmentor_models.kit.objects import Statement, declare, statement
from devmentor_models.security.barriers import barrier, own, proven, shared
from devmentor_models.security.declarations import COMMANDS, Policy, Security, Visibility, Writers
from devmentor_models.security.roles import BACKUP, OWNER, READONLY

_NOBODY_IN_PARTICULAR = "devmentor.claimed_user_id() IS NULL AND devmentor.claimed_service() IS NOT NULL"
_PROVEN_NOBODY = f"(SELECT devmentor.authentic() AND {_NOBODY_IN_PARTICULAR})"
#: What a policy checks that only lets rows be locked.
_NO_ROW = "false"

# Changes of rows are recorded by the tables' triggers, and erasures by the function that looks for such a
# line; nobody else can write either. A service that acts for somebody whom it identified may leave that one
# out, not itself.
_TOLD_NOW = "event NOT IN ('insert', 'update', 'delete', 'erased') AND created_at = now()"
_IN_ONES_OWN_NAME = (
    "actor_name IS NOT DISTINCT FROM devmentor.claimed_service()"
    " AND (actor_id IS NOT DISTINCT FROM devmentor.claimed_user_id()"
    f" OR actor_id IS NULL AND actor_name IS NOT NULL) AND {_TOLD_NOW}"
)
_PROVEN_NAME = (
    "(SELECT devmentor.authentic()) AND actor_name IS NOT DISTINCT FROM (SELECT devmentor.service())"
    " AND (actor_id IS NOT DISTINCT FROM (SELECT devmentor.user_id())"
    " OR actor_id IS NULL AND actor_name IS NOT NULL)"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy.

    Attributes:
        name: Its name.
        command: ``ALL`` or one command.
        condition: Which rows.
        proven: The same of who is proven to act, for the barrier; empty where everybody may.
        roles: For whom.
        permissive: Whether it lets rows through that no other policy does, or holds them back.
        check: Which rows may be written, where those are others than `condition`.
    """

    name: str
    command: str
    condition: str
    proven: str = ""
    roles: tuple[str, ...] = ()
    permissive: bool = True
    check: str = ""

    def statement(self, table: str) -> Statement:
        """Return it as a declared statement."""
        kind = "" if self.permissive else " AS RESTRICTIVE"
        command = "" if self.command == "ALL" else f" FOR {self.command}"
        using = "" if self.command == "INSERT" else f" USING ({self.condition})"
        written = self.check or self.condition
        check = "" if self.command in {"SELECT", "DELETE"} else f" WITH CHECK ({written})"
        return statement(
            f"CREATE POLICY {self.name} ON {table}{kind}{command} TO {', '.join(self.roles)}{using}{check}"
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
    acting = [rule for rule in _acting(security) if rule.roles]
    yield from acting
    yield from _barriers(security, acting)
    for command in security.definer:
        yield Rule(f"definer_{command.lower()}", command, "true", roles=(OWNER.name,))
    yield Rule("backup", "SELECT", "true", roles=(BACKUP.name,))


def _barriers(security: Security, rules: list[Rule]) -> Iterator[Rule]:
    """Yield what holds back the rows that none of the policies of those who act lets through."""
    asked: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for command in COMMANDS:
        for role in _with_privilege(security, command):
            theirs = [rule for rule in rules if role in rule.roles and rule.command in {command, "ALL"}]
            seen = tuple(dict.fromkeys(rule.proven for rule in theirs))
            written = tuple(dict.fromkeys(rule.proven for rule in theirs if rule.check != _NO_ROW))
            if seen and "" not in seen:
                asked.setdefault((command, seen, written), []).append(role)
    if len(asked) == len(COMMANDS) and len({tuple(rest) for _, *rest in asked}) == 1:
        (_, seen, written), roles = next(iter(asked.items()))
        asked = {("ALL", seen, written): roles}
    for (command, seen, written), roles in asked.items():
        name = "barrier" if command == "ALL" else f"barrier_{command.lower()}"
        if sum(other == command for other, *_ in asked) > 1:
            name = f"{name}_{roles[0].removeprefix('devmentor_')}"
        check = barrier(written) if written != seen else ""
        yield Rule(name, command, barrier(seen), roles=tuple(roles), permissive=False, check=check)


def _acting(security: Security) -> Iterator[Rule]:
    """Yield the policies of those who act for somebody."""
    if security.policy.visibility is Visibility.OWNER:
        yield replace(_own("report", "SELECT", security.policy.owner), roles=(READONLY.name,))
    for rule in _access(security):
        yield replace(rule, roles=_with_privilege(security, rule.command))
    for chore in security.chores:
        # Which rows is for the barrier to say, too: who acts for nobody could claim to be somebody meanwhile.
        condition, held = _NOBODY_IN_PARTICULAR, _PROVEN_NOBODY
        if chore.when:
            condition, held = f"{condition} AND ({chore.when})", f"({held} AND {proven(chore.when)})"
        rule = Rule("", "", condition, held, roles=(security.grants[0].service.role,))
        for command in chore.commands:
            yield replace(rule, name=f"chore_{command.lower()}", command=command)
        if chore.locks:
            yield replace(rule, name="chore_lock", command="UPDATE", check=_NO_ROW)


def _with_privilege(security: Security, command: str) -> tuple[str, ...]:
    """Return the roles that may run a command on the table at all."""
    services = tuple(
        grant.service.role
        for grant in security.grants
        if command == "ALL" or any(privilege.startswith(command) for privilege in grant.privileges)
    )
    return (*services, READONLY.name) if command == "SELECT" else services


def _claims(column: str) -> str:
    return f"{column} = devmentor.claimed_user_id()"


def _own(name: str, command: str, column: str | None) -> Rule:
    """Return the policy of rows in a column of which stands who acts."""
    return Rule(name, command, _claims(str(column)), own(str(column)))


def _access(security: Security) -> Iterator[Rule]:
    """Yield who may do what with whose rows; for which roles comes later."""
    policy = security.policy
    if policy.visibility is Visibility.SHARED:
        yield from _shared(policy)
    elif policy.visibility is Visibility.OWNER:
        yield _own("owner", "ALL", policy.owner)
        if policy.catalogue:
            ownerless = f"{policy.owner} IS NULL"
            yield Rule("catalogue", "SELECT", ownerless, ownerless)
    elif policy.visibility is Visibility.TRAIL:
        yield _own("subject", "SELECT", policy.owner)
        yield Rule("actor", "INSERT", _IN_ONES_OWN_NAME, _PROVEN_NAME)
    elif policy.visibility is Visibility.EVERYONE:
        yield Rule("everyone", "SELECT", "true")
    else:
        yield Rule("service", "ALL", _NOBODY_IN_PARTICULAR, _PROVEN_NOBODY)
        if policy.writers is Writers.EVERYONE:
            yield Rule("adder", "INSERT", "true")


def _shared(policy: Policy) -> Iterator[Rule]:
    # The first condition is the index's: (user_id, …) leads every index of such a table. The second one says
    # which rows of those owners.
    owner = str(policy.owner)
    column, kind = (str(policy.project), "projects") if policy.project else (str(policy.team), "teams")

    def allowed(name: str, command: str, which: str) -> Rule:
        things = f"{which}_{kind}"
        in_one = f"({_claims(owner)} OR {column} = ANY (devmentor.claimed_{things}()))"
        condition = f"{owner} = ANY (devmentor.claimed_owners()) AND {in_one}"
        return Rule(name, command, condition, f"{own(owner)} OR {shared(owner, column, things)}")

    makers = policy.writers is Writers.EDITORS
    yield allowed("reader", "SELECT", "shared")
    yield allowed("maker", "INSERT", "edited") if makers else _own("maker", "INSERT", owner)
    alone = policy.writers is Writers.OWNER
    yield _own("editor", "UPDATE", owner) if alone else allowed("editor", "UPDATE", "edited")
    yield allowed("remover", "DELETE", "edited") if makers else _own("remover", "DELETE", owner)
    if policy.member:
        yield _own("leaver", "DELETE", policy.member)
