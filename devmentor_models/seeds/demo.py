"""Something to look at: two users, a project with its plan, a team and a roadmap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from devmentor_models.learning.enums import SkillLevel, StepKind
from devmentor_models.learning.values import NewStep
from devmentor_models.projects.enums import TaskKind, TaskPriority
from devmentor_models.projects.plans import EpicPlan, Plan, TaskPlan

VERSION = 1

#: No password has this hash: demo users cannot log in until somebody sets one.
NO_PASSWORD = "!"  # noqa: S105 - the opposite of a password


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSeed:
    """A user; the address is the key."""

    email: str
    username: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadmapSeed:
    """A roadmap of the first user; its title is its key."""

    title: str
    goal: str
    topics: tuple[str, ...]
    level: SkillLevel
    steps: tuple[NewStep, ...]


# example.com is reserved: mail to it reaches nobody.
OWNER = UserSeed(email="ada@example.com", username="demo-ada")
MEMBER = UserSeed(email="grace@example.com", username="demo-grace")

PROJECT_NAME = "Analytical Engine"
PROJECT_SLUG = "analytical-engine"
PROJECT_DESCRIPTION = "A demo project with a schedule, epics, tasks and credits"
PROJECT_DATES = (date(2027, 1, 4), date(2027, 6, 25))
PROJECT_TAGS = ("demo",)
PROJECT_CREDITS = 100
PLAN = Plan(
    epics=(
        EpicPlan(
            title="The mill",
            description="What calculates",
            tasks=(
                TaskPlan(title="Add two numbers", priority=TaskPriority.HIGH),
                TaskPlan(title="Carry over all digits at once", labels=("performance",)),
                TaskPlan(title="A carry is lost in the last column", kind=TaskKind.BUG),
            ),
        ),
        EpicPlan(
            title="The store",
            description="What remembers",
            tasks=(
                TaskPlan(title="Keep a thousand numbers", priority=TaskPriority.HIGH),
                TaskPlan(title="Explain the columns", kind=TaskKind.CHORE),
            ),
        ),
    ),
    tasks=(TaskPlan(title="Order punched cards", kind=TaskKind.CHORE),),
)

TEAM_NAME = "Engine builders"

ROADMAP = RoadmapSeed(
    title="PostgreSQL from the ground up",
    goal="Design tables that refuse wrong rows, and read a query plan",
    topics=("postgresql", "sql"),
    level=SkillLevel.BEGINNER,
    steps=(
        NewStep(title="Tables, keys and constraints", estimated_minutes=45),
        NewStep(title="Design a schema of three tables", kind=StepKind.EXERCISE, estimated_minutes=60),
        NewStep(title="How an index is used", estimated_minutes=40),
        NewStep(title="Read five query plans", kind=StepKind.EXERCISE, estimated_minutes=60),
        NewStep(title="What did you keep?", kind=StepKind.QUIZ, estimated_minutes=15),
    ),
)
