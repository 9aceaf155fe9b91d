"""Files of projects, their versions, and the clean-up of object storage (requirements S3, F4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from devmentor_models.errors import NotFound
from devmentor_models.kit.arguments import whole_number
from devmentor_models.kit.pagination import DEFAULT_LIMIT, Page, check_limit
from devmentor_models.projects import queries
from devmentor_models.projects.models import ProjectFile, ProjectFileVersion, StorageOrphan
from devmentor_models.projects.results import StorageKey
from devmentor_models.projects.shared_async import AsyncProjectsRepository
from devmentor_models.projects.values import MAX_BIGINT, built


class AsyncFileRepository(AsyncProjectsRepository):
    """Files of the acting user's projects (requirements S3, F4)."""

    async def create(self, *, project_id: UUID, path: str, media_type: str | None = None) -> ProjectFile:
        """Add a file without contents to a project.

        Args:
            project_id: The project.
            path: Path within the project, at most 500 characters.
            media_type: MIME type of the contents.

        Raises:
            NotFound: The user has no such project.
            InvalidValue: A value does not fit.
            UniqueViolation: The project has a file at this path.
        """
        values = {"project_id": project_id, "path": path, "media_type": media_type}
        file = built(ProjectFile, values)
        file.user_id = await self._project_owner(project_id)
        return await self._add(file)

    async def get(self, file_id: UUID) -> ProjectFile:
        """Return a live file.

        Raises:
            NotFound: The user has no such file, or it or its project is deleted.
        """
        return await self._visible(queries.FILE_BY_ID, file_id, "file")

    async def list(
        self, project_id: UUID, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[ProjectFile]:
        """Return a page of a project's live files by path."""
        statement = queries.FILES_OF_PROJECT.params(user_id=self.user_id, project_id=project_id)
        keys = [ProjectFile.path, ProjectFile.id]
        return await self._page(statement, keys, cursor=cursor, limit=limit, descending=False)

    async def add_version(
        self, file_id: UUID, *, storage_bucket: str, storage_key: str, size_bytes: int, sha256: bytes
    ) -> ProjectFileVersion:
        """Put a new content in force; a content that the file had before is not stored twice.

        Numbers have no gaps and are given out once, however many add at a time. For a known content the
        version that has it comes into force again and is returned; the new object, if it was stored under
        another key, joins `orphaned_storage_keys`.

        Args:
            file_id: The file.
            storage_bucket: Bucket of MinIO or S3.
            storage_key: Key of the object in the bucket.
            size_bytes: Its size in bytes.
            sha256: SHA-256 of the content, 32 bytes.

        Raises:
            NotFound: The user has no such file.
            InvalidValue: A value does not fit.
        """
        whole_number("size_bytes", size_bytes, at_most=MAX_BIGINT)
        content = {"storage_bucket": storage_bucket, "storage_key": storage_key, "sha256": sha256}
        version = built(ProjectFileVersion, {"size_bytes": size_bytes, **content})
        file = await self._locked(file_id)
        known = await self._find(
            queries.VERSION_BY_HASH,
            {"user_id": file.user_id, "project_id": file.project_id, "file_id": file.id, "sha256": sha256},
        )
        if known is not None:
            if (known.storage_bucket, known.storage_key) != (storage_bucket, storage_key):
                await self._add_orphan(storage_bucket, storage_key)
            await self._change(file, {"current_version": known.number})
            return known
        version.user_id, version.project_id, version.file_id = file.user_id, file.project_id, file.id
        version.number = file.latest_version + 1
        file.latest_version = file.current_version = version.number
        return await self._add(version)

    async def current_version(self, file_id: UUID) -> ProjectFileVersion:
        """Return the version of a live file that is in force.

        Raises:
            NotFound: The user has no such file, or it has no version yet.
        """
        file = await self.get(file_id)
        parameters = {"user_id": file.user_id, "project_id": file.project_id, "file_id": file.id}
        return await self._get(
            queries.VERSION_BY_NUMBER,
            {**parameters, "number": file.current_version},
            entity="version of file",
            key=file_id,
        )

    async def history(
        self, file_id: UUID, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page[ProjectFileVersion]:
        """Return a page of a live file's versions, newest first.

        Raises:
            NotFound: The user has no such file.
        """
        file = await self.get(file_id)
        statement = select(ProjectFileVersion).where(
            ProjectFileVersion.user_id == file.user_id,
            ProjectFileVersion.project_id == file.project_id,
            ProjectFileVersion.file_id == file.id,
        )
        return await self._page(statement, [ProjectFileVersion.number], cursor=cursor, limit=limit)

    async def soft_delete(self, file_id: UUID) -> ProjectFile:
        """Hide a file; its path becomes free, its versions stay (S3).

        Raises:
            NotFound: The user has no such file, or it is deleted already.
        """
        file = await self._editable(queries.FILE_BY_ID, file_id, "file")
        values = {"deleted_at": datetime.now(UTC)}
        return await self._change(file, values)

    async def restore(self, file_id: UUID) -> ProjectFile:
        """Bring a deleted file back (S3).

        Raises:
            NotFound: The user has no such deleted file, or its project is deleted.
            UniqueViolation: Another file has taken its path.
        """
        file = await self._editable(queries.DELETED_FILE_BY_ID, file_id, "deleted file")
        return await self._change(file, {"deleted_at": None})

    async def purge(self, file_id: UUID) -> None:
        """Delete a file and its versions for good, live or soft-deleted (S3).

        The objects in storage are then listed by `orphaned_storage_keys`.

        Raises:
            NotFound: The user has no such file.
        """
        file = await self._editable(queries.ANY_FILE_BY_ID, file_id, "file")
        await self.session.delete(file)
        await self._flush()

    async def orphaned_storage_keys(self, limit: int = 100) -> Sequence[StorageKey]:
        """Return objects whose rows are gone, oldest first, for a clean-up job to delete (S3).

        The job deletes them from storage and then calls `forget_orphans`; when it dies in between, they are
        listed again. Rows go by purge, by cascade and by erasure of a user alike. Needs no user.

        Args:
            limit: Keys at most, 1 to 500.
        """
        orphans = await self._all(queries.ORPHANED_KEYS, {"limit": check_limit(limit)})
        return [StorageKey(orphan.storage_bucket, orphan.storage_key) for orphan in orphans]

    async def forget_orphans(self, keys: Sequence[StorageKey]) -> int:
        """Forget objects that were deleted from storage; return how many were known."""
        if not keys:
            return 0
        where = tuple_(StorageOrphan.storage_bucket, StorageOrphan.storage_key)
        statement = delete(StorageOrphan).where(where.in_([(key.bucket, key.key) for key in keys]))
        forgotten = await self._execute(
            statement.returning(StorageOrphan.id).execution_options(synchronize_session=False)
        )
        return len(forgotten.all())

    async def _locked(self, file_id: UUID) -> ProjectFile:
        """Return a file that nobody else changes until the transaction ends."""
        try:
            return await self._editable(queries.FILE_LOCKED, file_id, "file")
        except NotFound:
            # Whoever may only see it cannot lock it, and is told so.
            await self._editable(queries.FILE_BY_ID, file_id, "file")
            raise

    async def _add_orphan(self, bucket: str, key: str) -> None:
        statement = insert(StorageOrphan).values(storage_bucket=bucket, storage_key=key)
        await self._execute(statement.on_conflict_do_nothing())
