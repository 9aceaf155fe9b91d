"""One transaction of one actor, with every repository on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlalchemy.ext.asyncio import AsyncSession

from devmentor_models.ai.repositories_async import (
    AsyncEmbeddingModelRepository,
    AsyncProjectEmbeddingRepository,
    AsyncProviderConfigRepository,
    AsyncResponseCacheRepository,
    AsyncUsageRepository,
)
from devmentor_models.auth.repositories_async import (
    AsyncAuditLogRepository,
    AsyncEmailVerificationRepository,
    AsyncPasswordResetRepository,
    AsyncSessionRepository,
    AsyncTeamRepository,
    AsyncUserRepository,
)
from devmentor_models.errors import SessionMisused, TransactionOver, TransactionReused
from devmentor_models.kit.session import finish, loaded_attributes, reload, translated
from devmentor_models.learning.repositories_async import (
    AsyncAssessmentRepository,
    AsyncProgressRepository,
    AsyncRecommendationRepository,
    AsyncRoadmapRepository,
)
from devmentor_models.memory.documents_async import AsyncDocumentRepository
from devmentor_models.memory.history_async import AsyncSearchHistoryRepository
from devmentor_models.memory.memory_async import AsyncMemoryRepository
from devmentor_models.memory.outbox_async import AsyncVectorOutboxRepository
from devmentor_models.opening import Opening
from devmentor_models.projects.repositories_async import (
    AsyncActivityRepository,
    AsyncCollaboratorRepository,
    AsyncEpicRepository,
    AsyncFileRepository,
    AsyncProjectRepository,
    AsyncTaskRepository,
    AsyncTemplateRepository,
)

if TYPE_CHECKING:
    from devmentor_models.database_async import AsyncDatabase


class AsyncTransaction:
    """A database transaction bound to one actor. Get it from ``db.begin(actor)``.

    It commits when the block ends and rolls back when the block raises. Objects stay readable afterwards.

    Attributes:
        actor: Who acts; fixed for the life of the transaction.
    """

    def __init__(self, database: AsyncDatabase, opening: Opening) -> None:
        self.actor = opening.actor
        self._database = database
        self._opening = opening
        self._entered = self._over = False
        self._session: AsyncSession | None = None

    async def __aenter__(self) -> Self:
        if self._entered:
            raise TransactionReused
        self._entered = True
        self._session = await self._database._open(self._opening)  # noqa: SLF001 - the two are one mechanism
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._over = self.session, True
        await session.run_sync(finish, error)

    @property
    def session(self) -> AsyncSession:
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

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Run a block that may fail without failing the transaction: an error undoes the block only.

        Objects that the block changed before it failed are read again, so that they are what they were.
        """
        loaded = await self.session.run_sync(loaded_attributes)
        try:
            with translated(self.session):
                async with self.session.begin_nested():
                    yield
        except Exception:
            await self.session.run_sync(reload, loaded)
            raise

    # auth
    @cached_property
    def users(self) -> AsyncUserRepository:
        """Accounts."""
        return AsyncUserRepository(self.session)

    @cached_property
    def sessions(self) -> AsyncSessionRepository:
        """Sessions and their refresh tokens."""
        return AsyncSessionRepository(self.session)

    @cached_property
    def password_resets(self) -> AsyncPasswordResetRepository:
        """Mailed permissions to set a new password."""
        return AsyncPasswordResetRepository(self.session)

    @cached_property
    def email_verifications(self) -> AsyncEmailVerificationRepository:
        """Mailed proofs of an address."""
        return AsyncEmailVerificationRepository(self.session)

    @cached_property
    def audit_log(self) -> AsyncAuditLogRepository:
        """The trail of security events."""
        return AsyncAuditLogRepository(self.session)

    @cached_property
    def teams(self) -> AsyncTeamRepository:
        """Teams and their members."""
        return AsyncTeamRepository(self.session)

    # learning
    @cached_property
    def roadmaps(self) -> AsyncRoadmapRepository:
        """Ways to goals, in ordered steps."""
        return AsyncRoadmapRepository(self.session)

    @cached_property
    def progress(self) -> AsyncProgressRepository:
        """How far the learner is with steps."""
        return AsyncProgressRepository(self.session)

    @cached_property
    def assessments(self) -> AsyncAssessmentRepository:
        """Questions put to the learner, and what came of them."""
        return AsyncAssessmentRepository(self.session)

    @cached_property
    def recommendations(self) -> AsyncRecommendationRepository:
        """What the mentor suggests to the learner."""
        return AsyncRecommendationRepository(self.session)

    # ai
    @cached_property
    def provider_configs(self) -> AsyncProviderConfigRepository:
        """How calls reach the providers of models."""
        return AsyncProviderConfigRepository(self.session)

    @cached_property
    def embedding_models(self) -> AsyncEmbeddingModelRepository:
        """The catalog of models that make vectors."""
        return AsyncEmbeddingModelRepository(self.session)

    @cached_property
    def response_cache(self) -> AsyncResponseCacheRepository:
        """Answers of providers, kept for the next identical request."""
        return AsyncResponseCacheRepository(self.session)

    @cached_property
    def usage(self) -> AsyncUsageRepository:
        """Calls of models: tokens, cost and time."""
        return AsyncUsageRepository(self.session)

    @cached_property
    def project_embeddings(self) -> AsyncProjectEmbeddingRepository:
        """Vectors that stand for whole projects."""
        return AsyncProjectEmbeddingRepository(self.session)

    # projects
    @cached_property
    def projects(self) -> AsyncProjectRepository:
        """Projects and their credits."""
        return AsyncProjectRepository(self.session)

    @cached_property
    def epics(self) -> AsyncEpicRepository:
        """Epics of projects."""
        return AsyncEpicRepository(self.session)

    @cached_property
    def tasks(self) -> AsyncTaskRepository:
        """Tasks of projects."""
        return AsyncTaskRepository(self.session)

    @cached_property
    def files(self) -> AsyncFileRepository:
        """Files of projects and their versions."""
        return AsyncFileRepository(self.session)

    @cached_property
    def templates(self) -> AsyncTemplateRepository:
        """Plans to start projects from."""
        return AsyncTemplateRepository(self.session)

    @cached_property
    def collaborators(self) -> AsyncCollaboratorRepository:
        """Who may enter whose project."""
        return AsyncCollaboratorRepository(self.session)

    @cached_property
    def activity(self) -> AsyncActivityRepository:
        """The history of projects."""
        return AsyncActivityRepository(self.session)

    # memory
    @cached_property
    def documents(self) -> AsyncDocumentRepository:
        """What a user remembered: documents, chunks, vectors."""
        return AsyncDocumentRepository(self.session)

    @cached_property
    def memory(self) -> AsyncMemoryRepository:
        """Search in what a user remembered."""
        return AsyncMemoryRepository(self.session, readonly=self._opening.readonly)

    @cached_property
    def search_history(self) -> AsyncSearchHistoryRepository:
        """What a user searched for."""
        return AsyncSearchHistoryRepository(self.session)

    @cached_property
    def outbox(self) -> AsyncVectorOutboxRepository:
        """Work for the vector mirror."""
        return AsyncVectorOutboxRepository(self.session)
