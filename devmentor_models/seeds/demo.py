"""Something to look at: two users, a project with its plan, a team and a roadmap.

To change it, change the values and raise `VERSION`, as with `base`. Unlike there, what people removed is made
again: whoever asks for the demo wants to see it. Plans, credits and steps are written once, with what they
belong to.
"""

from __future__ import annotations

from datetime import date

from devmentor_models.learning.enums import SkillLevel, StepKind
from devmentor_models.learning.values import NewStep
from devmentor_models.projects.enums import TaskKind, TaskPriority
from devmentor_models.projects.plans import EpicPlan, Plan, TaskPlan
from devmentor_models.seeds.values import ProjectSeed, RoadmapSeed, TeamSeed, UserSeed

SET = "demo"
VERSION = 1

# example.com is reserved: mail to it reaches nobody.
OWNER = UserSeed(email="ada@example.com", username="demo-ada")
MEMBER = UserSeed(email="grace@example.com", username="demo-grace")

PROJECT = ProjectSeed(
    slug="analytical-engine",
    name="Analytical Engine",
    description="A demo project with a schedule, epics, tasks and credits",
    start_date=date(2027, 1, 4),
    end_date=date(2027, 6, 25),
    tags=("demo",),
    credits=100,
    plan=Plan(
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
    ),
)

TEAM = TeamSeed(name="Engine builders")

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
