<%
    from devmentor_models.migrations.steps import loss_line
    loss = loss_line(downgrades or "")
    written = f"{upgrades}{downgrades}" if upgrades or downgrades else "sa."  # by hand: what one needs most
%>\
"""${message.rstrip(".")}.

Revision: ${up_revision}
Revises: ${down_revision | comma,n}
Created: ${create_date}
% if loss:

${loss}
% endif
"""

from __future__ import annotations

from typing import Sequence

% if "sa." in written:
import sqlalchemy as sa
% endif
from alembic import op
% if "postgresql." in written:
from sqlalchemy.dialects import postgresql
% endif
${imports if imports else ""}

revision: str = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = ${repr(branch_labels)}
depends_on: str | Sequence[str] | None = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
