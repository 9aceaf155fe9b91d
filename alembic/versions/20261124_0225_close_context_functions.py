"""Let only the roles that act for users call the functions that check contexts.

Revision: 0d1c5a6e00f1
Revises: 0d1c5a6e00d1
Created: 2026-11-24 02:25:00+00:00
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0d1c5a6e00f1"
down_revision: str | None = "0d1c5a6e00d1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_FUNCTIONS = ("devmentor.enter()", "devmentor.sealed(setting text)")
_CALLERS = (
    "devmentor_ai",
    "devmentor_auth",
    "devmentor_learning",
    "devmentor_memory",
    "devmentor_projects",
    "devmentor_readonly",
)


def upgrade() -> None:
    """Take them from everybody, and give them to the services and to reports."""
    for function in _FUNCTIONS:
        for caller in _CALLERS:
            op.grant(["EXECUTE"], f"FUNCTION {function}", caller)
        op.revoke(["EXECUTE"], f"FUNCTION {function}", "PUBLIC")


def downgrade() -> None:
    """Give them to everybody again."""
    for function in _FUNCTIONS:
        op.grant(["EXECUTE"], f"FUNCTION {function}", "PUBLIC")
        for caller in _CALLERS:
            op.revoke(["EXECUTE"], f"FUNCTION {function}", caller)
