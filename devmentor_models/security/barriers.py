"""What comes before every condition of a statement: the barriers (Z1, SECURITY.md).

A policy's condition is one among those of the statement that it guards. PostgreSQL evaluates operators that
it holds to be leakproof in the order of their cost, the policy's before or behind the statement's, and reads
settings when it comes to them. So a statement could compare a column of a hidden row before the policy hides
it, and tell by a side effect how the comparison ended; or act for one user where an index is searched, and
for another where rows are looked at.

Where contexts are signed, a restrictive policy closes both ways. It consists of calls that cost less than any
operator, so that nothing is compared before it, and that get who acts from a query of its own, which
PostgreSQL runs once and whose result does not change. The permissive policies beside it are what indexes are
searched for. Where contexts are not signed, SQL can be whoever it likes to be, and PostgreSQL drops the
barrier while it plans.

What costs nothing comes first even so: whether a column is null, a boolean one is true, what a subscript
yields; and what an index is searched for.
"""

from __future__ import annotations

import re

from devmentor_models.kit.base import Base
from devmentor_models.kit.objects import Statement, declare, function

#: Less than the cheapest operator costs, whatever its cost is multiplied by: SQL can set that for itself.
_COST = "1e-30"

_PAST = re.compile(r"(\w+) <=? now\(\)")
_NULL = re.compile(r"\w+ IS NULL")


def own(column: str) -> str:
    """Return the condition that a column has the id of who acts."""
    return f"devmentor.is_own({column}, (SELECT devmentor.user_id()))"


def shared(owner: str, column: str, things: str) -> str:
    """Return the condition that a row is of somebody who shares, and in one of the things that are shared."""
    lists = f"(SELECT devmentor.owners()), (SELECT devmentor.{things}())"
    return f"devmentor.is_shared({owner}, {column}, {lists})"


def proven(when: str) -> str:
    """Return a chore's condition on the row as a barrier has it: without an operator.

    Raises:
        ValueError: It is neither that a time is past nor that a column is null.
    """
    if past := _PAST.fullmatch(when):
        return f"devmentor.is_past({past[1]}, (SELECT now()))"
    if _NULL.fullmatch(when):
        return when
    raise ValueError(f"a chore's condition that no barrier can have: {when}")


def barrier(conditions: tuple[str, ...]) -> str:
    """Return the condition of a barrier that holds back what none of the conditions is true of."""
    return " OR ".join(("NOT devmentor.signed()", *conditions))


def _call(name: str, parameters: str, condition: str, comment: str) -> Statement:
    # In PL/pgSQL: a function in SQL would be inlined, and cost what its operators do.
    sql = (
        f"CREATE FUNCTION devmentor.{name}({parameters}) RETURNS boolean"
        f" LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST {_COST}"
        f" AS $fn$ BEGIN RETURN {condition}; END $fn$"
    )
    types = ", ".join(parameter.split()[1] for parameter in parameters.split(", "))
    return function(sql, arguments=types, comment=comment)


def declare_barriers() -> None:
    """Declare the calls. Everybody may make them: they compare what they are given."""
    declare(
        Base.metadata,
        _call("is_own", "owner uuid, me uuid", "owner = me", "Whether a row is of who acts, for barriers"),
        _call(
            "is_past",
            "moment timestamptz, now timestamptz",
            "moment <= now",
            "Whether a time is not to come, for barriers",
        ),
        _call(
            "is_shared",
            "owner uuid, thing uuid, owners uuid[], things uuid[]",
            "owner = ANY (owners) AND thing = ANY (things)",
            "Whether a row is in something that its owner shares, for barriers",
        ),
    )
