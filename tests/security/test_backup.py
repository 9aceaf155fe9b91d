"""Backups: a role that reads every row, and changes none (DESIGN §4; trap 13)."""

from __future__ import annotations

import subprocess

import psycopg
import pytest

from devmentor_models.embedded.account import installed
from devmentor_models.registry import target_metadata
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from tests.support.every_model import insert_rows_everywhere
from tests.support.users import committed

#: What a backup leaves out: keys that a copy of the database must not have.
LEFT_OUT = "--exclude-table=devmentor.context_keys"


def counts(url: str) -> dict[str, int]:
    """Return how many rows each table has, as superuser."""
    with psycopg.connect(conninfo(url)) as connection:
        return {
            name: connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchall()[0][0]
            for name in target_metadata.tables
        }


def test_a_dump_is_complete(devmentor_server: DatabaseServer, devmentor_database_url: str) -> None:
    """Dumped by a member of devmentor_backup under row security, and restored: every row of every table."""
    committed(devmentor_database_url, insert_rows_everywhere)
    tools = installed() / "bin"
    with devmentor_server.login(devmentor_database_url, "devmentor_backup") as backup:
        command = [
            str(tools / "pg_dump"),
            "--enable-row-security",
            LEFT_OUT,
            "--format=plain",
            conninfo(backup),
        ]
        dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - ours
    with devmentor_server.database("devmentor_test_restored", drop=True) as restored:
        psql = [str(tools / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", conninfo(restored)]
        subprocess.run(psql, input=dump, check=True, capture_output=True, text=True)  # noqa: S603 - ours
        before, after = counts(devmentor_database_url), counts(restored)
    assert min(before.values()) > 0
    assert after == before


@pytest.mark.parametrize("role", ["devmentor_backup", "devmentor_readonly", "devmentor_monitor"])
def test_it_changes_nothing(devmentor_url: str, role: str) -> None:
    """None of the roles that read may write to any table."""
    with psycopg.connect(conninfo(devmentor_url)) as connection:
        query = "SELECT has_table_privilege(%s, %s, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES')"
        for table in target_metadata.tables:
            assert connection.execute(query, [role, table]).fetchall() == [(False,)], table
