"""Decide what becomes of a batch of documents, given what is stored (F5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from devmentor_models.memory.ingest import Draft


class Standing(NamedTuple):
    """The stored document with a draft's content, and the one at its address with other content."""

    same: UUID | None
    old: UUID | None


@dataclass(slots=True)
class Plan:
    """What is to be done with some drafts. Those that it does not mention wait for another look.

    Attributes:
        new: To be inserted.
        replaced: To be written in place of the document with this key.
        purged: Stored already; the document with this key, an older version, goes.
        keys: Keys of the drafts' documents that are known so far, by the drafts' own.
    """

    new: list[Draft] = field(default_factory=list)
    replaced: dict[Draft, UUID] = field(default_factory=dict)
    purged: dict[Draft, UUID] = field(default_factory=dict)
    keys: dict[UUID, UUID] = field(default_factory=dict)

    @property
    def changing(self) -> Sequence[UUID]:
        """The stored documents that are to change or to go."""
        return [*self.replaced.values(), *self.purged.values()]

    @classmethod
    def of(cls, drafts: Sequence[Draft], standings: Sequence[Standing]) -> Plan:
        """Return what is to be done with as many drafts as do not depend on each other; one at least.

        A draft waits that speaks of the same content or address as one before it, or of a document that
        one before it changes: what is stored will be another thing then.
        """
        plan = cls()
        read: set[object] = set()
        written: set[object] = set()
        for draft, (same, old) in zip(drafts, standings, strict=True):
            reads = {same, draft.identity} if same is not None else set()
            writes = {old, draft.address} if same is not None else {old, draft.address, draft.identity}
            if old is None and same is not None:
                writes = set()
            if written & (reads | {draft.address}) - {None} or (written | read) & writes - {None}:
                # What comes after it must wait as well: it keeps its place in the queue.
                written |= {draft.identity, draft.address}
                continue
            read |= reads
            written |= writes
            plan._add(draft, same, old)
        return plan

    def _add(self, draft: Draft, same: UUID | None, old: UUID | None) -> None:
        if same is not None:
            self.keys[draft.id] = same
            if old is not None:
                self.purged[draft] = old
        elif old is not None:
            self.replaced[draft] = old
        else:
            self.new.append(draft)

    def keep_only(self, locked: Mapping[UUID, tuple[UUID | None, bytes, str | None]]) -> None:
        """Leave drafts for later whose stored document changed before it could be locked.

        Args:
            locked: Project, content hash and address of the documents as they are now, by their keys.
        """
        for drafts in (self.replaced, self.purged):
            for draft, key in [*drafts.items()]:
                current = locked.get(key)
                if (
                    current is None
                    or (current[0], current[2]) != draft.address
                    or current[1] == draft.content_hash
                ):
                    del drafts[draft]
                    self.keys.pop(draft.id, None)
