"""Random sequences of calls by three people, compared with a model of who may see and change what (F4, Z1).

Each call is made with the login of the service that makes it in production. The people change roles while
they are at it; now and then a service forgets its WHERE clause. ``HYPOTHESIS_PROFILE=thorough`` plays more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from uuid import UUID

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.orm import Session

from devmentor_models import Database
from devmentor_models.testing.databases import DatabaseServer
from devmentor_models.testing.factories.auth import UserFactory
from tests.support.access.attempt import Step
from tests.support.access.play import ACTIONS, DisagreementError, play

SERVICES = ("projects", "memory", "auth")
LONGEST = 40
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
EXAMPLES = 3000 if THOROUGH else 40


def _named(pattern: str) -> list[str]:
    """Return the actions in whose names a pattern is found."""
    return [name for name in ACTIONS if re.search(pattern, name)]


READ = _named(r"\.(get|list|list_joined|members|search|credit_history|assigned_to_team|projects_shared)")
SHARE = _named(r"\.(add|add_member|change_role)$")
BUILD_UP = _named(r"\.(create|store|add_version)$")
TAKE_AWAY = _named(r"DELETE (projects|teams)|\.(remove|leave|purge|delete|soft_delete|remove_member)$")
FORGET_WHERE = _named("UPDATE|INSERT|DELETE (?!projects|teams)")
CHANGE = [name for name in ACTIONS if name not in {*READ, *SHARE, *BUILD_UP, *TAKE_AWAY, *FORGET_WHERE}]
#: Chosen alike: without something that is shared, there would be little to try.
GROUPS = (SHARE, BUILD_UP, CHANGE, TAKE_AWAY, READ, FORGET_WHERE, FORGET_WHERE)


@st.composite
def scripts(draw: st.DrawFn, about: str) -> list[Step]:
    """Return as what the first one lets others in, and what the three then try.

    Made from one piece of random bytes: of a list of steps Hypothesis would make many that hardly differ.

    Args:
        draw: Given by Hypothesis.
        about: Only actions in whose names this pattern is found.
    """
    size = 6 * draw(st.integers(1, LONGEST))
    taken = draw(st.binary(min_size=size, max_size=size))
    groups = [names for group in GROUPS if (names := [name for name in group if re.search(about, name)])]
    steps = [
        Step(0, "collaborators.add", other=1, choice=taken[0] % 2),
        Step(0, "teams.add_member", other=1, choice=taken[1] % 2),
        *([Step(0, "teams.add_member", other=2)] if taken[2] % 2 else []),
    ]
    for who, group, name, *numbers in batched(taken):
        names = groups[group % len(groups)]
        which, other, choice = (number % 4 for number in numbers)
        steps.append(Step(who % 3, names[name % len(names)], which, other, choice))
    return steps


def batched(taken: bytes) -> Iterator[bytes]:
    """Yield six bytes at a time: a step."""
    return (taken[start : start + 6] for start in range(0, len(taken), 6))


Play = Callable[[list[Step]], None]


@contextmanager
def player(admin_url: str, urls: Mapping[str, str]) -> Iterator[Play]:
    """Yield what plays a script with three new people."""
    engine = create_engine(admin_url, pool_size=1)
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        databases = {
            service: stack.enter_context(Database.from_url(url, pool_min=0, pool_max=1))
            for service, url in urls.items()
        }

        def new_users() -> list[UUID]:
            with Session(engine) as session:
                users = [UserFactory.insert(session).id for _ in range(3)]
                session.commit()
            return users

        yield lambda script: play(databases, new_users(), script)


def search_for_disagreement(
    play_script: Play, examples: int, *phases: Phase, about: str = "", steady: bool = True
) -> None:
    """Play scripts until the database and the model differ, or for long enough."""

    @settings(
        max_examples=examples,
        phases=phases,
        derandomize=steady,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
    )
    @given(scripts(about))
    def run(script: list[Step]) -> None:
        play_script(script)

    run()


def test_the_database_agrees_with_the_model(
    devmentor_url: str, devmentor_service_url: Callable[..., str]
) -> None:
    """Whatever they try, in whatever order: each outcome, and in the end every row that anybody sees."""
    urls = {service: devmentor_service_url(service) for service in SERVICES}
    with player(devmentor_url, urls) as play_script:
        search_for_disagreement(play_script, EXAMPLES, Phase.generate, Phase.shrink, steady=not THOROUGH)


_SEEN = (
    "user_id = ANY (devmentor.owners())"
    " AND (user_id = devmentor.user_id() OR project_id = ANY (devmentor.shared_projects()))"
)
#: Mistakes that one could make in a policy, by what they are about.
MISTAKES = {
    "everybody reads tasks": ("tasks", "ALTER POLICY reader ON projects.tasks USING (true)"),
    "viewers edit tasks": (
        r"tasks|ors\.(add|change)",
        f"ALTER POLICY editor ON projects.tasks USING ({_SEEN}) WITH CHECK ({_SEEN})",
    ),
    "viewers make tasks": (
        r"INSERT task|ors\.(add|change)",
        f"ALTER POLICY maker ON projects.tasks WITH CHECK ({_SEEN})",
    ),
    "viewers delete files": (
        r"files|ors\.(add|change)",
        f"ALTER POLICY remover ON projects.project_files USING ({_SEEN})",
    ),
    "editors take tasks": (r"owner|tasks\.create|ors\.add", "DROP TRIGGER keep_owner ON projects.tasks"),
    "editors spend credits": (r"credits|ors\.(add|change)", "DROP TRIGGER owners_alone ON projects.projects"),
    "all projects of one who shares something": (
        "projects|collab",
        "ALTER POLICY reader ON projects.projects USING (user_id = ANY (devmentor.owners()))",
    ),
    "documents of one who shares something": (
        "documents|collab",
        "ALTER POLICY owner ON memory.documents USING (user_id = ANY (devmentor.owners()))",
    ),
    "nobody leaves": (r"ors\.(add|leave)", "DROP POLICY leaver ON projects.project_collaborators"),
    "members take others out": (
        r"DELETE members|teams\.add",
        "ALTER POLICY leaver ON auth.team_members USING (team_id = ANY (devmentor.shared_teams()))",
    ),
    "members manage": (
        "teams|members",
        (
            "ALTER POLICY editor ON auth.teams USING (id = ANY (devmentor.shared_teams()))"
            " WITH CHECK (user_id = ANY (devmentor.owners()))"
        ),
    ),
    "members only read teams of others": (
        "teams",
        "ALTER POLICY reader ON auth.teams USING (user_id <> devmentor.user_id())",
    ),
    "one may invite oneself": (
        r"INSERT member|teams\.create",
        "ALTER POLICY maker ON auth.team_members WITH CHECK (true)",
    ),
    "no row security": ("credits|collab", "ALTER TABLE projects.credit_entries DISABLE ROW LEVEL SECURITY"),
}


@pytest.mark.long
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(
    devmentor_server: DatabaseServer, devmentor_database_url: str, mistake: str
) -> None:
    """In a database of its own, each of these mistakes makes the two differ."""
    about, statement = MISTAKES[mistake]
    engine = create_engine(devmentor_database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(statement))
    with ExitStack() as logins:
        urls = {
            service: logins.enter_context(
                devmentor_server.login(devmentor_database_url, f"devmentor_{service}")
            )
            for service in SERVICES
        }
        play_script = logins.enter_context(player(devmentor_database_url, urls))
        with pytest.raises(DisagreementError):
            search_for_disagreement(play_script, 1000, Phase.generate, about=about)
