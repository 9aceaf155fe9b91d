# Generated from transaction_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""One transaction of one actor, with every repository on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlalchemy.orm import Session

from devmentor_models.ai.repositories import (
    EmbeddingModelRepository,
    ProjectEmbeddingRepository,
    ProviderConfigRepository,
    ResponseCacheRepository,
    UsageRepository,
)
from devmentor_models.auth.repositories import (
    AuditLogRepository,
    EmailVerificationRepository,
    PasswordResetRepository,
    SessionRepository,
    TeamRepository,
    UserRepository,
)
from devmentor_models.errors import SessionMisused, TransactionOver, TransactionReused
from devmentor_models.kit.session import finish, loaded_attributes, reload, translated
from devmentor_models.learning.repositories import (
    AssessmentRepository,
    ProgressRepository,
    RecommendationRepository,
    RoadmapRepository,
)
from devmentor_models.memory.documents import DocumentRepository
from devmentor_models.memory.history import SearchHistoryRepository
from devmentor_models.memory.memory import MemoryRepository
from devmentor_models.memory.outbox import VectorOutboxRepository
from devmentor_models.opening import Opening
from devmentor_models.projects.repositories import (
    ActivityRepository,
    CollaboratorRepository,
    EpicRepository,
    FileRepository,
    ProjectRepository,
    TaskRepository,
    TemplateRepository,
)

if TYPE_CHECKING:
    from devmentor_models.database import Database


class Transaction:
    """A database transaction bound to one actor. Get it from ``db.begin(actor)``.

    It commits when the block ends and rolls back when the block raises. Objects stay readable afterwards.

    Attributes:
        actor: Who acts; fixed for the life of the transaction.
    """

    def __init__(self, database: Database, opening: Opening) -> None:
        self.actor = opening.actor
        self._database = database
        self._opening = opening
        self._entered = self._over = False
        self._session: Session | None = None

    def __enter__(self) -> Self:
        if self._entered:
            raise TransactionReused
        self._entered = True
        self._session = self._database._open(self._opening)  # noqa: SLF001 - the two are one mechanism
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._over = self.session, True
        finish(session, error)

    @property
    def session(self) -> Session:
        """The SQLAlchemy session, for statements that no repository has.

        Raises:
            SessionMisused: The transaction has not been entered.
            TransactionOver: It has ended.
        """
        if self._over:
            raise TransactionOver
        if self._session is None:
            raise SessionMisused("The transaction has not begun: enter it, in a with statement.")
        return self._session

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Run a block that may fail without failing the transaction: an error undoes the block only.

        Objects that the block changed before it failed are read again, so that they are what they were.
        """
        loaded = loaded_attributes(self.session)
        try:
            with translated(self.session), self.session.begin_nested():
                yield
        except Exception:
            reload(self.session, loaded)
            raise

    # auth
    @cached_property
    def users(self) -> UserRepository:
        """Accounts."""
        return UserRepository(self.session)

    @cached_property
    def sessions(self) -> SessionRepository:
        """Sessions and their refresh tokens."""
        return SessionRepository(self.session)

    @cached_property
    def password_resets(self) -> PasswordResetRepository:
        """Mailed permissions to set a new password."""
        return PasswordResetRepository(self.session)

    @cached_property
    def email_verifications(self) -> EmailVerificationRepository:
        """Mailed proofs of an address."""
        return EmailVerificationRepository(self.session)

    @cached_property
    def audit_log(self) -> AuditLogRepository:
        """The trail of security events."""
        return AuditLogRepository(self.session)

    @cached_property
    def teams(self) -> TeamRepository:
        """Teams and their members."""
        return TeamRepository(self.session)

    # learning
    @cached_property
    def roadmaps(self) -> RoadmapRepository:
        """Ways to goals, in ordered steps."""
        return RoadmapRepository(self.session)

    @cached_property
    def progress(self) -> ProgressRepository:
        """How far the learner is with steps."""
        return ProgressRepository(self.session)

    @cached_property
    def assessments(self) -> AssessmentRepository:
        """Questions put to the learner, and what came of them."""
        return AssessmentRepository(self.session)

    @cached_property
    def recommendations(self) -> RecommendationRepository:
        """What the mentor suggests to the learner."""
        return RecommendationRepository(self.session)

    # ai
    @cached_property
    def provider_configs(self) -> ProviderConfigRepository:
        """How calls reach the providers of models."""
        return ProviderConfigRepository(self.session)

    @cached_property
    def embedding_models(self) -> EmbeddingModelRepository:
        """The catalog of models that make vectors."""
        return EmbeddingModelRepository(self.session)

    @cached_property
    def response_cache(self) -> ResponseCacheRepository:
        """Answers of providers, kept for the next identical request."""
        return ResponseCacheRepository(self.session)

    @cached_property
    def usage(self) -> UsageRepository:
        """Calls of models: tokens, cost and time."""
        return UsageRepository(self.session)

    @cached_property
    def project_embeddings(self) -> ProjectEmbeddingRepository:
        """Vectors that stand for whole projects."""
        return ProjectEmbeddingRepository(self.session)

    # projects
    @cached_property
    def projects(self) -> ProjectRepository:
        """Projects and their credits."""
        return ProjectRepository(self.session)

    @cached_property
    def epics(self) -> EpicRepository:
        """Epics of projects."""
        return EpicRepository(self.session)

    @cached_property
    def tasks(self) -> TaskRepository:
        """Tasks of projects."""
        return TaskRepository(self.session)

    @cached_property
    def files(self) -> FileRepository:
        """Files of projects and their versions."""
        return FileRepository(self.session)

    @cached_property
    def templates(self) -> TemplateRepository:
        """Plans to start projects from."""
        return TemplateRepository(self.session)

    @cached_property
    def collaborators(self) -> CollaboratorRepository:
        """Who may enter whose project."""
        return CollaboratorRepository(self.session)

    @cached_property
    def activity(self) -> ActivityRepository:
        """The history of projects."""
        return ActivityRepository(self.session)

    # memory
    @cached_property
    def documents(self) -> DocumentRepository:
        """What a user remembered: documents, chunks, vectors."""
        return DocumentRepository(self.session)

    @cached_property
    def memory(self) -> MemoryRepository:
        """Search in what a user remembered."""
        return MemoryRepository(self.session, readonly=self._opening.readonly)

    @cached_property
    def search_history(self) -> SearchHistoryRepository:
        """What a user searched for."""
        return SearchHistoryRepository(self.session)

    @cached_property
    def outbox(self) -> VectorOutboxRepository:
        """Work for the vector mirror."""
        return VectorOutboxRepository(self.session)
