"""How roles, privileges, owners and row security come, go and change."""

from __future__ import annotations

from collections.abc import Callable

from alembic.operations.ops import MigrateOperation

from devmentor_models.migrations.catalog import Item
from devmentor_models.migrations.compare import tables
from devmentor_models.migrations.compare.changes import Alteration
from devmentor_models.migrations.compare.own_types import table_name
from devmentor_models.migrations.operations import NamedOperation, call
from devmentor_models.migrations.operations.objects import setting

Operations = list[MigrateOperation]


def row_security(item: Item) -> Operations:
    """Return how row security is switched on."""
    table = table_name(item.key)
    if not item["enabled"]:  # forced, but switched off: without effect, and therefore a slip
        undo = call("alter_table", table, "NO FORCE ROW LEVEL SECURITY")
        return [call("alter_table", table, "FORCE ROW LEVEL SECURITY", undo=undo)]
    return [call("enable_row_security", table, force=item["force"], undo=call("disable_row_security", table))]


def policy(item: Item) -> Operations:
    """Return how a policy is created."""
    table = table_name(item.key)
    made = call(
        "create_policy",
        item.key.name,
        table,
        command=None if item["command"] == "ALL" else item["command"],
        to=[unq.strip('"') for unq in item["to"]],
        using=_bare(item["using"]),
        check=_bare(item["check"]),
        permissive=None if item["permissive"] else False,
        undo=call("drop_policy", item.key.name, table),
    )
    return [made]


def _bare(expression: str | None) -> str | None:
    return None if expression is None else tables.unbracketed(expression)


def default_privileges(item: Item) -> Operations:
    """Return how privileges on what is to come are granted."""
    return _defaults(Item(item.key, {**item.state, "privileges": item["of_itself"] or {}}), item)


def alter_default_privileges(old: Item, new: Item) -> Alteration | None:
    """Return how default privileges change; None where they must be granted anew."""
    return Alteration(_defaults(old, new)) if old["of_itself"] == new["of_itself"] else None


def _defaults(old: Item, new: Item) -> Operations:
    key = new.key
    where = {"schema": key.schema or None, "role": new["role"]}

    def given(privileges: list[str], *, grantable: bool) -> NamedOperation:
        option = True if grantable else None
        return call("grant_by_default", privileges, key.table, new["to"], grantable=option, **where)

    def taken(privileges: list[str]) -> NamedOperation:
        return call("revoke_by_default", privileges, key.table, new["to"], **where)

    return _privilege_changes(old["privileges"], new["privileges"], given, taken)


def grant(item: Item) -> Operations:
    """Return the grants of a new object; its owner and PUBLIC may do some things by themselves."""
    return _grants(Item(item.key, {"privileges": item["of_itself"] or {}}), item)


def alter_grant(old: Item, new: Item) -> Alteration | None:
    """Return how privileges change; None where they must be granted anew."""
    # Of an owner it is told what was taken away, and that is given back first.
    return Alteration(_grants(old, new)) if old["of_itself"] == new["of_itself"] else None


def _grants(old: Item, new: Item) -> Operations:
    target, role = new.key.table, new.key.name

    def given(privileges: list[str], *, grantable: bool) -> NamedOperation:
        return call("grant", privileges, target, role, grantable=True if grantable else None)

    def taken(privileges: list[str]) -> NamedOperation:
        return call("revoke", privileges, target, role)

    return _privilege_changes(old["privileges"], new["privileges"], given, taken)


def _privilege_changes(
    old: dict[str, bool],
    new: dict[str, bool],
    given: Callable[..., NamedOperation],
    taken: Callable[..., NamedOperation],
) -> Operations:
    """Return what gives and takes the differences, plain privileges and grantable ones apart."""
    made: Operations = []
    for grantable in (False, True):
        lost = sorted(
            name for name, option in old.items() if option == grantable and new.get(name) != grantable
        )
        if lost:
            undo = given(lost, grantable=grantable)
            made.append(_with(taken(lost), undo))
    for grantable in (False, True):
        won = sorted(
            name for name, option in new.items() if option == grantable and old.get(name) != grantable
        )
        if won:
            made.append(_with(given(won, grantable=grantable), taken(won)))
    return made


def _with(operation: NamedOperation, undo: NamedOperation) -> NamedOperation:
    operation.undo = undo
    return operation


def owner(item: Item) -> Operations:
    """Return how something came into other hands; dropping the difference is what is wanted."""
    return [
        call(
            "set_owner",
            item.key.table,
            item["role"],
            undo=call("set_owner", item.key.table, item["expected"]),
        )
    ]


def alter_owner(old: Item, new: Item) -> Alteration:
    """Return how something is handed over."""
    target = new.key.table
    undo = call("set_owner", target, old["role"])
    return Alteration([call("set_owner", target, new["role"], undo=undo)])


def role(item: Item) -> Operations:
    """Return how a role is created."""
    made: Operations = [
        call("create_role", item.key.name, options=item["options"], undo=call("drop_role", item.key.name))
    ]
    bare = Item(item.key, {"options": item["options"], "member_of": [], "settings": {}})
    return made + alter_role(bare, item).operations


def alter_role(old: Item, new: Item) -> Alteration:
    """Return how a role's options, memberships and settings change."""
    name = new.key.name
    made: Operations = []
    if old["options"] != new["options"]:
        made.append(call("alter_role", name, new["options"], undo=call("alter_role", name, old["options"])))
    before, after = set(old["member_of"] or ()), set(new["member_of"] or ())
    made += [
        call("revoke_role", group, name, undo=call("grant_role", group, name))
        for group in sorted(before - after)
    ]
    made += [
        call("grant_role", group, name, undo=call("revoke_role", group, name))
        for group in sorted(after - before)
    ]
    settings = old["settings"] or {}, new["settings"] or {}
    for parameter in sorted(settings[0].keys() | settings[1].keys()):
        words = [setting(parameter, given.get(parameter)) for given in settings]
        if words[0] != words[1]:
            made.append(call("alter_role", name, words[1], undo=call("alter_role", name, words[0])))
    return Alteration(made)
