"""Rows that calls with hostile arguments can be about, so that they get as far as to the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from devmentor_models import Actor, Database
from devmentor_models.ai.enums import Provider
from devmentor_models.learning.enums import RecommendationKind
from devmentor_models.learning.values import NewStep
from devmentor_models.memory.enums import DocumentSource
from devmentor_models.projects.plans import Plan


def make_rows(url: str, me: UUID, other: UUID) -> Mapping[str, UUID]:
    """Commit one row of most kinds.

    Args:
        url: Of a login with the rights of all services.
        me: The user whose rows they are.
        other: Another user.

    Returns:
        The keys, by the names of the arguments that they fit.
    """
    with Database.from_url(url, pool_min=0) as db, db.begin(Actor.user(me)) as tx:
        project = tx.projects.create(name="One", credits=5)
        roadmap = tx.roadmaps.create(title="Way", steps=[NewStep(title="First")])
        assessment = tx.assessments.create(title="Test", questions=[], roadmap_id=roadmap.id)
        tx.assessments.submit(assessment.id, answers=[], score=1)
        soon = datetime.now(UTC) + timedelta(days=1)
        keys = {
            "user_id": me,
            "member_id": other,
            "assignee_id": other,
            "project_id": project.id,
            "epic_id": tx.epics.create(project_id=project.id, title="Epic").id,
            "task_id": tx.tasks.create(project_id=project.id, title="Task").id,
            "file_id": tx.files.create(project_id=project.id, path="a.txt").id,
            "template_id": tx.templates.create(name="Template", plan=Plan()).id,
            "roadmap_id": roadmap.id,
            "step_id": roadmap.steps[0].id,
            "after_step_id": roadmap.steps[0].id,
            "assessment_id": assessment.id,
            "recommendation_id": tx.recommendations.add(
                kind=RecommendationKind.ROADMAP, target="x", title="X", score=0.5, expires_at=soon
            ).id,
            "config_id": tx.provider_configs.put(name="mine", provider=Provider.OPENAI).id,
            "team_id": tx.teams.create(name="Team").id,
            "document_id": tx.documents.store(
                title="Note", content="words", source=DocumentSource.NOTE, project_id=project.id
            ).id,
        }
    return {**keys, "order": keys["step_id"], "mastered": keys["step_id"]}
