"""What functions with their owner's rights tell a service about a user for whom it does not act."""

from __future__ import annotations

from devmentor_models.migrations.identifiers import literal
from devmentor_models.proof.declared import SERVICES, definers
from devmentor_models.proof.report import Failure, Report
from devmentor_models.proof.stage import Stage
from devmentor_models.proof.tenants import Tenants
from devmentor_models.security.actor import Actor

WAY = "SECURITY DEFINER function asked about another user"

_CALLABLE = """
SELECT n.nspname || '.' || p.proname, p.oid::regprocedure::text,
    ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) t)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND p.prorettype <> 'trigger'::regtype AND n.nspname <> 'pg_catalog' ORDER BY 2"""


def attempt_functions(stage: Stage, report: Report, tenants: Tenants) -> None:
    """Let every caller ask every such function about the victim, acting for the stranger."""
    user = tenants.others["auth.users"]
    asked = {
        "uuid": f"{literal(user['id'])}::uuid",
        "uuid[]": f"ARRAY[{literal(user['id'])}::uuid]",
        "text": literal(user["email"]),
    }
    secrets = (user["email"], user["password_hash"], *_ids(tenants))
    known = definers()
    for name, signature, types in stage.ask(_CALLABLE):
        given = ", ".join(asked.get(kind, f"NULL::{kind}") for kind in types)
        sql = f"SELECT string_agg(t::text, ' ') FROM {name}({given}) t"
        for role in SERVICES:
            if name not in known or role not in known[name].callers:
                continue
            outcome = stage.attempt(role, Actor.user(tenants.stranger), sql)
            report.ways[WAY] += 1
            if not outcome.state and any(secret in outcome.message for secret in secrets):
                expected = "nothing of that user's but what is public"
                report.failures.append(Failure(signature, role, WAY, expected, outcome.message, sql))


def _ids(tenants: Tenants) -> list[str]:
    """Return the ids of the victim's rows; the victim's own is what was asked for."""
    return [str(row["id"]) for name, row in tenants.others.items() if name != "auth.users"]
