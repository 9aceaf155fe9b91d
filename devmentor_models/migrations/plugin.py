"""Our autogenerate as an Alembic plugin: it takes the place of Alembic's own comparators.

``context.configure(autogenerate_plugins=[NAME], scratch_for=url, scope=Scope(…))`` switches it on.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult
from sqlalchemy import MetaData

from devmentor_models.migrations.comparison import compare

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps

NAME = "devmentor.autogenerate"


def setup(plugin: Plugin) -> None:
    """Register the comparator; Alembic calls this."""
    plugin.add_autogenerate_comparator(_compare, "autogenerate")


def _compare(autogen: AutogenContext, upgrade: UpgradeOps) -> PriorityDispatchResult:
    """Put all that leads to the models into the revision."""
    metadata, connection = autogen.metadata, autogen.connection
    if connection is None or not isinstance(metadata, MetaData):
        raise TypeError("autogenerate needs a connection and one MetaData")
    options = autogen.opts
    scratch = options.get("scratch")
    found = compare(options["scratch_for"], connection, metadata, options["scope"], scratch=scratch)
    for change in found:
        upgrade.ops.extend(change.operations)
    return PriorityDispatchResult.CONTINUE


Plugin.setup_plugin_from_module(sys.modules[__name__], NAME)
