"""Ways round that are no command on a table: sessions, settings, statistics, files, definitions."""

from __future__ import annotations

from dataclasses import dataclass

from devmentor_models.migrations.identifiers import literal
from devmentor_models.proof.declared import NOBODY, SERVICES, TRIED, Protected
from devmentor_models.proof.report import Failure, Report
from devmentor_models.proof.rows import WITHOUT, Attempts
from devmentor_models.proof.stage import Stage
from devmentor_models.proof.tenants import Tenants
from devmentor_models.registry import SCHEMAS
from devmentor_models.security.actor import Actor
from devmentor_models.security.declarations import Service
from devmentor_models.security.roles import MONITOR, ROLES
from devmentor_models.security.signing import context_sql

_TENANTS = ", ".join(literal(schema) for schema in SCHEMAS)
_REFUSED = {
    "a file of the server": "SELECT pg_read_file('PG_VERSION')",
    "a program of the server": "COPY (SELECT 1) TO PROGRAM 'true'",
    "statistics of rows": "SELECT stavalues1 FROM pg_statistic LIMIT 1",
    "statistics of several columns": "SELECT stxdmcv FROM pg_statistic_ext_data LIMIT 1",
    "passwords of roles": "SELECT rolpassword FROM pg_authid LIMIT 1",
    "switching triggers off": "SET LOCAL session_replication_role = replica",
    "making a role": "CREATE ROLE devmentor_proof_made",
}
_UNSEEN = {
    "pg_stats": f"SELECT 1 FROM pg_stats WHERE schemaname IN ({_TENANTS}) LIMIT 1",
    "pg_stats_ext": f"SELECT 1 FROM pg_stats_ext WHERE schemaname IN ({_TENANTS}) LIMIT 1",
    "pg_stat_activity of other roles": (
        "SELECT 1 FROM pg_stat_activity WHERE usename <> current_user AND query NOT IN"
        " ('', '<insufficient privilege>') LIMIT 1"
    ),
}
#: What outlives a transaction on a pooled connection, under names that are looked up before ours.
_TEMPORARY = (
    "CREATE TEMP TABLE devmentor_proof ()",
    "CREATE TEMP VIEW devmentor_proof AS SELECT 1",
    "CREATE DOMAIN pg_temp.uuid AS text",
    "CREATE FUNCTION pg_temp.devmentor_proof() RETURNS integer LANGUAGE sql RETURN 1",
)
#: For each command that changes what protects a table.
_DEFINITIONS = (
    "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE {table} OWNER TO CURRENT_USER",
    "CREATE POLICY devmentor_proof ON {table} USING (true)",
    "CREATE TRIGGER devmentor_proof BEFORE INSERT ON {table} EXECUTE FUNCTION devmentor.touch()",
    "CREATE RULE devmentor_proof AS ON SELECT TO {table} DO INSTEAD NOTHING",
    "DROP TABLE {table} CASCADE",
)


@dataclass(frozen=True, slots=True)
class Sideways:
    """The attempts of one role that no table is the object of.

    Args:
        stage: Runs them.
        report: Counts them.
        tenants: Whose rows there are.
        tables: What they are in.
        role: The role.
    """

    stage: Stage
    report: Report
    tenants: Tenants
    tables: dict[str, Protected]
    role: str

    def run(self) -> None:
        """Make every attempt."""
        for way, sql in _REFUSED.items():
            self._expect(way, "refused", {"denied"}, sql)
        for way, sql in _UNSEEN.items():
            sees = self.role == MONITOR.name and way == "pg_stat_activity of other roles"
            self._expect(way, "no rows", {"nothing", "denied"} | ({"rows"} if sees else set()), sql)
        self._temporary()
        self._large_object()
        self._other_roles()
        self._definitions()
        self._contexts()

    def _expect(
        self,
        way: str,
        expected: str,
        kinds: set[str],
        sql: str,
        *,
        actor: Actor | None = None,
        before: str = "",
    ) -> None:
        outcome = self.stage.attempt(self.role, actor, sql, before=before)
        self.report.ways[way] += 1
        if outcome.kind not in kinds:
            self.report.failures.append(Failure("database", self.role, way, expected, str(outcome), sql))

    def _temporary(self) -> None:
        stores = self.role == Service.MEMORY.role  # documents, through temporary tables
        expected, kinds = ("accepted", {"nothing"}) if stores else ("refused", {"denied"})
        for sql in _TEMPORARY:
            self._expect("temporary tables, types and functions", expected, kinds, sql)

    def _large_object(self) -> None:
        made, read = "SELECT lo_from_bytea(4294900001, 'theirs')", "SELECT lo_get(4294900001)"
        self._expect("another's large object", "refused", {"denied"}, read, before=made)

    def _other_roles(self) -> None:
        for role in ROLES:
            if role.name != self.role:
                self._expect("SET ROLE to another", "refused", {"denied"}, f"SET LOCAL ROLE {role.name}")

    def _definitions(self) -> None:
        for table in self.tables:
            for definition in _DEFINITIONS:
                self._expect("DDL on a table", "refused", {"denied"}, definition.format(table=table))

    def _contexts(self) -> None:
        """What stays of a context that was taken back, and what foreign names can do to its functions."""
        for table in self.tables.values():
            if table.owner and table.may(self.role, "SELECT") and not table.sees_all(self.role):
                break
        else:
            return
        rows = self.tenants.others[table.name]
        victim, theirs = literal(str(self.tenants.victim)), literal(rows["id"])
        select = f"SELECT id FROM {table.name} WHERE id = {theirs}"
        settings = f"SET LOCAL devmentor.user_id = {victim}"
        none = {"nothing", "denied"}
        stranger = Actor.user(self.tenants.stranger)
        undone = f"SAVEPOINT inner_one; {settings}; ROLLBACK TO SAVEPOINT inner_one; {select}"
        self._expect("context after a savepoint", "no rows", none, undone, actor=stranger)
        emptied = f"SET LOCAL devmentor.user_id = ''; {select}"
        self._expect("empty context", "no rows", none, emptied)
        if self.role in SERVICES:
            shadow = (
                "CREATE TEMP TABLE project_collaborators AS SELECT"
                f" {victim}::uuid AS user_id, {theirs}::uuid AS project_id,"
                f" {literal(str(self.tenants.stranger))}::uuid AS member_id, 'editor' AS role;"
                " CREATE TEMP TABLE team_members AS SELECT user_id, project_id AS team_id, member_id, role"
                f" FROM project_collaborators; SET LOCAL search_path = pg_temp;"
                f" {context_sql(stranger)}; {select}"
            )
            # In a signed database enter() refuses, in others the row stays unseen.
            self._expect("names in pg_temp", "no rows", none, shadow, actor=stranger)


def attempt_sideways(stage: Stage, report: Report, tenants: Tenants, tables: dict[str, Protected]) -> None:
    """Make every attempt as every role, and measure what is known not to be defended."""
    for role in TRIED:
        Sideways(stage, report, tenants, tables, role).run()
    _explained(stage, report, tenants)
    _addresses(stage, report, tenants, tables)
    _by_default(stage, report)
    report.limits.append(
        "pg_stat_activity: sessions of one login read each other's statements, without parameters, but with"
        " the acting user's id; let each service have a login of its own"
    )


def _addresses(stage: Stage, report: Report, tenants: Tenants, tables: dict[str, Protected]) -> None:
    """Take another user's e-mail address: a unique violation would tell who has an account."""
    mine, theirs = tenants.own["auth.users"], tenants.others["auth.users"]
    way, address, key = "another's e-mail address", literal(theirs["email"]), literal(mine["id"])
    update = f"UPDATE auth.users SET email = {address} WHERE id = {key}"
    for role in SERVICES:
        insert = Attempts(stage, report, tenants, tables["auth.users"], role).inserting(
            mine | {"email": theirs["email"]}, " ON CONFLICT DO NOTHING"
        )
        before = WITHOUT.format(table="auth.users", id=key)
        for sql, first in ((update, ""), (insert, before)):
            outcome = stage.attempt(role, Actor.user(tenants.stranger), sql, before=first)
            report.ways[way] += 1
            if outcome.kind != "denied":
                expected = "the same as with an address that nobody has"
                report.failures.append(Failure("auth.users", role, way, expected, str(outcome), sql))


def _explained(stage: Stage, report: Report, tenants: Tenants) -> None:
    """Ask EXPLAIN ANALYZE for a row of another user by its key, which counts what row security removed."""
    way, told = "EXPLAIN ANALYZE of another's row", 0
    key = literal(tenants.others["projects.projects"]["id"])
    sql = f"EXPLAIN (ANALYZE, COSTS OFF, FORMAT JSON) SELECT id FROM projects.projects WHERE id = {key}"
    for role in SERVICES:
        outcome = stage.attempt(role, Actor.user(tenants.stranger), sql)
        report.ways[way] += 1
        told += "'Rows Removed by Filter': 1" in outcome.message
    report.limits.append(
        f"EXPLAIN ANALYZE: {told} of {report.ways[way]} services learn that a row with a known key exists,"
        " and plans estimate from everybody's statistics; ids have 74 random bits, and no service explains"
        " a user's SQL"
    )


def _by_default(stage: Stage, report: Report) -> None:
    """Measure what every login may do by PostgreSQL's own defaults."""
    login = stage.logins[NOBODY]
    sqls = {
        "large objects": ("SELECT lo_create(0)", "nothing of ours is kept in them"),
        "settings of one's own login": (
            f"ALTER ROLE {login} SET devmentor.user_id = ''",
            "every transaction of the library begins with the whole context",
        ),
    }
    for way, (sql, why) in sqls.items():
        outcome = stage.attempt(NOBODY, None, sql)
        report.ways[way] += 1
        if outcome.kind != "denied":
            report.limits.append(f"{way}: every login may make them, as PostgreSQL comes; {why}")
