"""What every installation needs: the catalogue's templates and the embedding model.

To change it, change the values and raise `VERSION`. Rows that an older version wrote are brought up to this
one, except where people changed or removed them. What is taken out of here stays in databases that have it.
"""

from __future__ import annotations

from devmentor_models.ai.enums import DistanceMetric
from devmentor_models.projects.enums import TaskKind, TaskPriority
from devmentor_models.projects.plans import EpicPlan, Plan, TaskPlan
from devmentor_models.seeds.values import ModelSeed, TemplateSeed

SET = "base"
VERSION = 1

EMBEDDING_MODEL = ModelSeed(name="wordllama-256", dimensions=256, metric=DistanceMetric.COSINE)

TEMPLATES = (
    TemplateSeed(
        slug="web-service",
        name="Web service",
        description="An HTTP service with a database of its own, from the first endpoint to production",
        plan=Plan(
            epics=(
                EpicPlan(
                    title="Foundation",
                    tasks=(
                        TaskPlan(title="Create the repository and its checks", kind=TaskKind.CHORE),
                        TaskPlan(
                            title="Design the tables", kind=TaskKind.FEATURE, priority=TaskPriority.HIGH
                        ),
                        TaskPlan(title="Write the first migration", labels=("database",)),
                    ),
                ),
                EpicPlan(
                    title="First feature",
                    tasks=(
                        TaskPlan(title="Describe the endpoint"),
                        TaskPlan(title="Implement it with its tests", priority=TaskPriority.HIGH),
                    ),
                ),
                EpicPlan(
                    title="Production",
                    tasks=(
                        TaskPlan(title="Add health checks and metrics", labels=("operations",)),
                        TaskPlan(title="Rehearse a restore from backup", labels=("operations", "database")),
                    ),
                ),
            ),
        ),
    ),
    TemplateSeed(
        slug="command-line-tool",
        name="Command line tool",
        description="A tool with commands, configuration and a release",
        plan=Plan(
            epics=(
                EpicPlan(
                    title="Commands",
                    tasks=(
                        TaskPlan(title="Write the help texts first", kind=TaskKind.CHORE),
                        TaskPlan(title="Implement the main command", priority=TaskPriority.HIGH),
                        TaskPlan(title="Make every error one clear line"),
                    ),
                ),
                EpicPlan(
                    title="Release", tasks=(TaskPlan(title="Publish the package", kind=TaskKind.CHORE),)
                ),
            ),
        ),
    ),
    TemplateSeed(
        slug="learning-project",
        name="Learning project",
        description="Something small to learn a technology with",
        plan=Plan(
            tasks=(
                TaskPlan(title="Write down what to learn and how to tell", kind=TaskKind.LEARNING),
                TaskPlan(title="Build the smallest thing that runs", priority=TaskPriority.HIGH),
                TaskPlan(title="Explain it to somebody"),
            ),
        ),
    ),
)
