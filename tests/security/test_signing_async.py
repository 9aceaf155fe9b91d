"""Signed contexts: whoever can run SQL as a service still cannot say who acts (Z1)."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from devmentor_models import Actor, AsyncDatabase, migrate
from devmentor_models.errors import ConfigurationError, ContextRefused, NotFound, PermissionDenied
from devmentor_models.kit.keys import generate_key
from devmentor_models.migrations import context_keys
from devmentor_models.security.signing import ContextKeys
from devmentor_models.settings import conninfo
from devmentor_models.testing.databases import DatabaseServer
from devmentor_models.testing.factories.auth import UserFactory
from devmentor_models.testing.factories.projects import ProjectCollaboratorFactory, ProjectFactory
from tests.support.users import committed

pytestmark = pytest.mark.anyio

Open = Callable[[str | None], AsyncDatabase]


@pytest.fixture
def key() -> str:
    """Return the key that services and database share."""
    return generate_key()


@pytest.fixture
async def connect(
    devmentor_server: DatabaseServer, devmentor_database_url: str, key: str
) -> AsyncIterator[Callable[..., AsyncDatabase]]:
    """Yield a function that connects as the projects service, with a key or without."""
    context_keys.install(devmentor_database_url, ContextKeys.from_text(key))
    opened: list[AsyncDatabase] = []
    with devmentor_server.login(devmentor_database_url, "devmentor_projects") as url:

        def connected(signed_with: str | None) -> AsyncDatabase:
            opened.append(AsyncDatabase.from_url(url, pool_min=0, pool_max=1, context_key=signed_with))
            return opened[-1]

        yield connected
        for database in opened:
            await database.close()


@pytest.fixture
def database(connect: Open, key: str) -> AsyncDatabase:
    """Return one that signs."""
    return connect(key)


@pytest.fixture
def owner(devmentor_database_url: str) -> UUID:
    """Return a user with a project."""
    return committed(devmentor_database_url, lambda session: ProjectFactory.insert(session).user_id)


@pytest.fixture
def stranger(devmentor_database_url: str) -> UUID:
    """Return another user."""
    return committed(devmentor_database_url, lambda session: UserFactory.insert(session).id)


async def test_a_signed_context_is_believed(connect: Open, key: str, owner: UUID, stranger: UUID) -> None:
    """Whoever has the key works as before; others' rows stay out of sight."""
    database = connect(key)
    async with database.begin(Actor.user(owner, request_id="ü,1:x", user_agent="a'b")) as tx:
        (project,) = (await tx.projects.list()).items
        made = await tx.projects.create(name="Signed")
        assert made.user_id == owner
    async with database.begin(Actor.user(stranger), readonly=True) as tx:
        assert (await tx.projects.list()).items == []
        with pytest.raises(NotFound):
            await tx.projects.get(project.id)


@pytest.mark.parametrize("wrong", [None, "another"])
async def test_without_the_key_nobody_acts(connect: Open, owner: UUID, wrong: str | None) -> None:
    """No signature and another key's are refused with the first statement, which is not run."""
    database = connect(generate_key() if wrong else None)
    with pytest.raises(ContextRefused, match="signed"):
        async with database.begin(Actor.user(owner)) as tx:
            await tx.projects.create(name="Refused")


USER = "set_config('devmentor.user_id', :victim, true)"
OWNERS = "set_config('devmentor.owners', :list, true)"
PROJECTS = "set_config('devmentor.shared_projects', :list, true)"


@pytest.mark.parametrize(
    "injected",
    [
        (USER,),
        (USER, OWNERS, PROJECTS),
        (OWNERS, PROJECTS),
        (USER, "set_config('devmentor.seal', 'zz', true)"),
        (USER, "set_config('devmentor.seal', '', true)"),
    ],
)
async def test_injected_sql_cannot_be_somebody_else(
    connect: Open, key: str, owner: UUID, stranger: UUID, injected: tuple[str, ...]
) -> None:
    """Settings can be changed by any SQL; a changed context shows nothing at all, its own rows included."""
    async with connect(key).begin(Actor.user(stranger)) as tx:
        await tx.projects.create(name="Own")
        forged = ", ".join(injected).replace(":victim", f"'{owner}'").replace(":list", f"'{{{owner}}}'")
        await tx.session.execute(text(f"SELECT {forged}"))
        seen = await tx.session.execute(text("SELECT count(*) FROM projects.projects"))
        assert seen.scalar_one() == 0
        await tx.session.rollback()


@pytest.mark.parametrize("injected", [(USER,), (USER, OWNERS), (OWNERS, PROJECTS)])
@pytest.mark.parametrize("paused", [False, True], ids=["statement", "cursor"])
async def test_no_statement_changes_its_actor_half_way(
    database: AsyncDatabase, owner: UUID, stranger: UUID, injected: tuple[str, ...], paused: bool
) -> None:
    """What forges the context between one row and the next sees no more than what does so before."""
    async with database.begin(Actor.user(stranger)) as tx:
        own = await tx.projects.create(name="First in the table")
    async with database.begin(Actor.user(owner)) as tx:
        theirs = await tx.projects.create(name="Behind it")
    values = {"victim": str(owner), "list": f"{{{stranger},{owner},{theirs.id}}}"}
    forging = ", ".join(injected)
    async with database.begin(Actor.user(stranger)) as tx:
        for kind in ("indexscan", "bitmapscan", "indexonlyscan"):
            await tx.session.execute(text(f"SET LOCAL enable_{kind} = off"))
        if paused:
            await tx.session.execute(text("DECLARE c CURSOR FOR SELECT id FROM projects.projects"))
            seen = (await tx.session.execute(text("FETCH 1 FROM c"))).scalars().all()
            await tx.session.execute(text(f"SELECT {forging}").bindparams(**_only(values, forging)))
            seen = [*seen, *(await tx.session.execute(text("FETCH ALL FROM c"))).scalars()]
        else:
            query = text(f"SELECT id, {forging} FROM projects.projects").bindparams(**_only(values, forging))
            seen = (await tx.session.execute(query)).scalars().all()
        assert seen == [own.id]
        await tx.session.rollback()


#: For one row after the other, the actor is the owner while the triggers see it.
_OWNER_FOR_A_ROW = """
UPDATE projects.projects AS p SET credits = CASE n WHEN 2 THEN 777 ELSE credits END,
    settings = CASE n WHEN 1 THEN settings
        ELSE jsonb_build_object('as', set_config('devmentor.user_id', :owner, true)) END
FROM (SELECT id, n FROM (VALUES (CAST(:first AS uuid), 1), (CAST(:second AS uuid), 2)) AS v (id, n)
      JOIN projects.projects USING (id) ORDER BY n OFFSET 0) AS rows
WHERE p.id = rows.id RETURNING set_config('devmentor.user_id', :me, true)
"""


async def test_an_editor_is_not_the_owner_for_a_row(
    database: AsyncDatabase, devmentor_database_url: str, stranger: UUID
) -> None:
    """What is the owner's alone stays so, whom a statement claims to be where it comes to the row."""

    def shared(session: Session) -> list[tuple[UUID, UUID]]:
        made = [ProjectFactory.insert(session) for _ in range(2)]
        for project in made:
            ProjectCollaboratorFactory.insert(session, project=project, member_id=stranger, role="editor")
        return [(project.id, project.user_id) for project in made]

    (first, _), (second, owner) = committed(devmentor_database_url, shared)
    names = {"first": str(first), "second": str(second), "owner": str(owner), "me": str(stranger)}
    with pytest.raises(PermissionDenied, match="owners_alone"):
        async with database.begin(Actor.user(stranger)) as tx:
            for way in ("hashjoin", "mergejoin", "material", "memoize"):
                await tx.session.execute(text(f"SET LOCAL enable_{way} = off"))
            await tx.session.execute(text(_OWNER_FOR_A_ROW), names)
    async with database.begin(Actor.user(owner)) as tx:
        assert (await tx.projects.get(second)).credits == 0


def _only(values: dict[str, str], sql: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if f":{name}" in sql}


async def test_a_seal_is_good_for_one_transaction(
    connect: Open, key: str, owner: UUID, stranger: UUID
) -> None:
    """Whoever saw the context of another transaction, on the same connection even, cannot use it again."""
    database = connect(key)
    async with database.begin(Actor.user(owner)) as tx:
        seal = (await tx.session.execute(text("SELECT current_setting('devmentor.seal')"))).scalar_one()
    async with database.begin(Actor.user(stranger)) as tx:
        await tx.session.execute(
            text(
                "SELECT set_config('devmentor.user_id', :id, true), set_config('devmentor.seal', :seal, true)"
            ),
            {"id": str(owner), "seal": seal},
        )
        acting = await tx.session.execute(text("SELECT devmentor.user_id()"))
        assert acting.scalar_one() is None


@pytest.mark.parametrize(
    "forbidden",
    [
        "SELECT devmentor.adopt(gen_random_uuid())",
        "SELECT devmentor.set_context('{a,b,c,d,e}', '', '')",
        "SELECT devmentor.matches_older('x', 'y')",
        "SELECT inner_pad FROM devmentor.context_keys",
        "INSERT INTO devmentor.context_keys VALUES (1, '', '', '')",
        "CREATE OR REPLACE FUNCTION devmentor.signed() RETURNS boolean LANGUAGE sql RETURN false",
    ],
)
async def test_what_seals_is_nobodys(connect: Open, key: str, owner: UUID, forbidden: str) -> None:
    """A service can neither read the keys, nor seal a context, nor switch signing off."""
    async with connect(key).begin(Actor.user(owner)) as tx:
        with pytest.raises(PermissionDenied):
            await tx.session.execute(text(forbidden))
        await tx.session.rollback()


async def test_what_is_shared_is_sealed_too(
    connect: Open, key: str, devmentor_database_url: str, owner: UUID, stranger: UUID
) -> None:
    """Collaborators see what is shared with them, and cannot add to it."""

    def share(session: Session) -> UUID:
        project = ProjectFactory.insert(session)
        ProjectCollaboratorFactory.insert(session, project=project, member_id=stranger)
        return project.id

    project = committed(devmentor_database_url, share)
    async with connect(key).begin(Actor.user(stranger)) as tx:
        seen = await tx.session.execute(text("SELECT id FROM projects.projects"))
        assert seen.scalars().all() == [project]
        more = f"{{{project},{owner}}}"
        await tx.session.execute(
            text("SELECT set_config('devmentor.shared_projects', :ids, true)"), {"ids": more}
        )
        seen = await tx.session.execute(text("SELECT id FROM projects.projects"))
        assert seen.scalars().all() == []


async def test_keys_change_without_a_pause(
    connect: Open, devmentor_database_url: str, key: str, owner: UUID
) -> None:
    """With both keys in the database the services change one by one; then the old one is refused."""
    new = generate_key()
    old_service, new_service = connect(key), connect(new)
    context_keys.install(devmentor_database_url, ContextKeys.from_text(f"{new},{key}"))
    for database in (old_service, new_service):
        async with database.begin(Actor.user(owner)) as tx:
            assert len((await tx.projects.list()).items) == 1
    context_keys.install(devmentor_database_url, ContextKeys.from_text(new))
    with pytest.raises(ContextRefused):
        async with old_service.begin(Actor.user(owner)) as tx:
            await tx.projects.list()
    context_keys.remove(devmentor_database_url)
    for database in (connect(None), new_service):
        async with database.begin(Actor.user(owner)) as tx:
            assert len((await tx.projects.list()).items) == 1


def test_signing_is_no_drift(devmentor_database_url: str, key: str) -> None:
    """Whether contexts are signed is the operator's choice: `check` has nothing to say about it."""
    context_keys.install(devmentor_database_url, ContextKeys.from_text(key))
    assert migrate.check(devmentor_database_url) == []


@pytest.mark.parametrize("bad", ["", "x", "abcd", base64.b64encode(bytes(31)).decode()])
def test_a_bad_key_is_refused(bad: str) -> None:
    """Too short, or no base64: the variable is named, the value is not."""
    with pytest.raises(ConfigurationError, match="DEVMENTOR_CONTEXT_KEY") as refusal:
        ContextKeys.from_text(bad)
    assert not bad or bad not in str(refusal.value).replace("base64", "")


def test_the_switch_is_folded_away(services_url: str) -> None:
    """Where contexts are not signed, the check costs nothing: PostgreSQL inlines the functions."""
    with psycopg.connect(conninfo(services_url)) as connection:
        plan = connection.execute("EXPLAIN (VERBOSE) SELECT id FROM projects.projects").fetchall()
    assert "current_setting" in str(plan)
    assert "is_sealed" not in str(plan)
    assert "is_own" not in str(plan)
    assert "devmentor.signed()" not in str(plan)
    assert "devmentor.claimed_" not in str(plan)
