"""A downgrade that loses data is refused until somebody allows it (requirement M1)."""

from __future__ import annotations

from argparse import Namespace
from io import StringIO

import psycopg
import pytest
from alembic import command
from alembic.operations.ops import DowngradeOps, DropColumnOp, MigrationScript, UpgradeOps
from alembic.util.exc import CommandError
from typer.testing import CliRunner

from devmentor_models import migrate
from devmentor_models.cli.app import app
from devmentor_models.errors import DataLossRefused
from devmentor_models.migrations.steps import loss_line, loss_of
from tests.support.revision_folder import Revisions


@pytest.fixture
def three(revisions: Revisions) -> list[str]:
    """Return three revisions; only the downgrade of the first one loses something, by what it says."""
    return [
        revisions.add("op.execute('CREATE TABLE a ()')", "op.execute('DROP TABLE a')", loses="the table a."),
        revisions.add("op.execute('CREATE INDEX b ON a ((1))')", "op.execute('DROP INDEX b')"),
        revisions.add("op.execute('CREATE INDEX c ON a ((2))')", "op.execute('DROP INDEX c')"),
    ]


def test_nothing_is_done_when_a_later_step_loses_data(
    revisions: Revisions, three: list[str], empty_url: str
) -> None:
    """The whole way down is looked at first: even its harmless steps are not taken."""
    revisions.upgrade(empty_url)
    with pytest.raises(DataLossRefused, match=r"loses the table a\. To allow it") as refused:
        revisions.downgrade(empty_url, "base")
    assert (refused.value.revision, refused.value.lost) == (three[0], "the table a.")
    assert migrate.current(empty_url) == three[2]


def test_steps_that_lose_nothing_run(revisions: Revisions, three: list[str], empty_url: str) -> None:
    """Only those on the way count, and only downgrades."""
    revisions.upgrade(empty_url)
    revisions.downgrade(empty_url, three[0])
    assert migrate.current(empty_url) == three[0]


def test_allowed_loss_happens(
    revisions: Revisions, three: list[str], empty_url: str, connection: psycopg.Connection
) -> None:
    """With allow-data-loss=yes the downgrade does what it says; any other word is no."""
    revisions.upgrade(empty_url)
    with pytest.raises(DataLossRefused):
        revisions.downgrade(empty_url, "base", allow_data_loss="true")
    revisions.downgrade(empty_url, "base", allow_data_loss="yes")
    assert migrate.current(empty_url) is None
    assert connection.execute("SELECT to_regclass('a')").fetchone() == (None,)


def test_alembics_own_command_line(revisions: Revisions, three: list[str], empty_url: str) -> None:
    """`alembic -x allow-data-loss=yes` is the same; without it Alembic prints one line."""
    revisions.upgrade(empty_url)
    config = revisions.config(empty_url)
    config.cmd_opts = Namespace(x=["lock-tries=3"])
    with pytest.raises(CommandError, match=r"loses the table a\. To allow it"):
        command.downgrade(config, "base")
    config.cmd_opts = Namespace(x=["lock-tries=3", "allow-data-loss=yes"])
    command.downgrade(config, "base")
    assert migrate.current(empty_url) is None


def test_a_printed_script_says_what_is_lost(revisions: Revisions, three: list[str]) -> None:
    """It is going to be read before it is run, so it is not refused."""
    config = revisions.config("postgresql://")
    config.output_buffer = StringIO()
    command.downgrade(config, f"{three[2]}:base", sql=True)
    script = config.output_buffer.getvalue()
    warning = f"-- The downgrade of revision {three[0]} loses the table a."
    assert script.index(warning) < script.index("DROP INDEX c;") < script.index("DROP TABLE a;")


def test_the_api_refuses_and_allows(devmentor_database_url: str) -> None:
    """`migrate.downgrade` takes a keyword; the database keeps its revision until it is given."""
    with pytest.raises(DataLossRefused, match="To allow it"):
        migrate.downgrade(devmentor_database_url, "base")
    assert migrate.current(devmentor_database_url) == migrate.head()
    migrate.downgrade(devmentor_database_url, "base", allow_data_loss=True)
    assert migrate.current(devmentor_database_url) is None


def test_the_command_says_what_would_be_lost(devmentor_database_url: str) -> None:
    """One line, with the option that allows it."""
    result = CliRunner().invoke(app, ["downgrade", "base", "--url", devmentor_database_url])
    assert result.exit_code == 1
    assert ". To allow it: " in result.output
    assert "--allow-data-loss" in result.output


def test_the_line_ends_with_its_paragraph() -> None:
    """It may take several lines; what follows is another matter."""
    assert loss_of("Do it.\n\nDowngrade loses: the column\nx.y,\nand z.\n\nMore.") == "the column x.y, and z."
    assert loss_of("Do it.\n\nDowngrade loses nothing.") is None
    assert loss_of(None) is None


def test_the_line_of_a_new_revision() -> None:
    """Autogenerate writes it, from what the downgrade drops."""
    text = (
        "op.drop_index('ix', table_name='t')\n"
        "op.drop_table('notes', schema='auth')\n"
        'op.drop_column("teams", "motto")'
    )
    assert loss_line(text) == "Downgrade loses: the table auth.notes, the column teams.motto."
    assert loss_line("op.drop_index('ix', table_name='t')") is None


@pytest.mark.parametrize("dropped", [[], [DropColumnOp("teams", "motto", schema="auth")]])
def test_the_template_of_revisions_has_the_line(
    later_revisions: Revisions, devmentor_url: str, dropped: list[DropColumnOp]
) -> None:
    """A new revision needs no hand for it; one that loses nothing says nothing."""

    def drop(context: object, heads: object, directives: list[MigrationScript]) -> None:
        directives[0].upgrade_ops = UpgradeOps([])
        directives[0].downgrade_ops = DowngradeOps(dropped)

    made = command.revision(
        later_revisions.config(devmentor_url),
        "Add a motto.",
        autogenerate=True,
        process_revision_directives=drop,
    )
    assert made
    assert not isinstance(made, list)
    assert made.doc == "Add a motto."
    expected = "the column auth.teams.motto." if dropped else None
    assert loss_of(made.module.__doc__) == expected
