"""What each client of the soak wrote, and what must therefore be in the table in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Tenant:
    """A user with a project of their own.

    Attributes:
        user_id: The user.
        project_id: The project.
    """

    user_id: UUID
    project_id: UUID


class Ledger:
    """The rows of one client, by their titles, which it makes up and uses once.

    Attributes:
        tenant: Whose rows they are.
        allowed: What each row may say in the end; None where it may be missing.
        known: The rows that are there, with their ids.
        counted: How often a transaction ended how.
        completed: Called when nothing but COMMIT is missing.
    """

    def __init__(self, tenant: Tenant, name: str) -> None:
        self.tenant = tenant
        self.name = name
        self.allowed: dict[str, set[str | None]] = {}
        self.known: dict[str, UUID] = {}
        self.counted: Counter[str] = Counter()
        self.completed: Callable[[], object] | None = None
        self._number = 0
        self._pending: list[tuple[str, str, UUID]] = []
        self._complete = False

    def title(self) -> str:
        """Return a title that nobody has used; a row of it is not there until `commit` says so."""
        self._number += 1
        title = f"{self.name}-{self._number}"
        self.allowed[title] = {None}
        return title

    def begin(self) -> None:
        """Note that a transaction begins; one that had begun before has written nothing."""
        self._pending, self._complete = [], False

    def write(self, title: str, says: str, row: UUID) -> None:
        """Note what the transaction has written."""
        self._pending.append((title, says, row))

    def undo(self) -> None:
        """Note that the newest of it was undone."""
        self._pending.pop()

    def complete(self) -> None:
        """Note that nothing but COMMIT is missing."""
        self._complete = True
        if self.completed:
            self.completed()

    def commit(self) -> None:
        """Note that the transaction was committed: its rows must be there."""
        for title, says, row in self._pending:
            self.allowed[title] = {says}
            self.known[title] = row
        self._end("committed")

    def refuse(self, why: str) -> None:
        """Note that it failed: its rows must not be there."""
        self._end(why)

    def doubt(self, why: str) -> None:
        """Note that nobody can tell what became of COMMIT."""
        for title, says, _ in self._pending:
            self.allowed[title].add(says)
        self._end(f"{why}, perhaps committed")

    def interrupt(self, why: str) -> None:
        """Note that it was interrupted: COMMIT may have been sent only if nothing else was missing."""
        (self.doubt if self._complete else self.refuse)(why)

    def _end(self, how: str) -> None:
        self.counted[how] += 1
        self._pending, self._complete = [], False


def differences(ledgers: Iterable[Ledger], rows: Iterable[tuple[str, str, UUID, UUID]]) -> list[str]:
    """Compare the table with the ledgers.

    Args:
        ledgers: Those of all clients.
        rows: Title, description, user and project of each row of the table.
    """
    found: list[str] = []
    owners = {ledger.name: ledger for ledger in ledgers}
    missing = {
        title: ledger
        for ledger in owners.values()
        for title, states in ledger.allowed.items()
        if None not in states
    }
    seen: set[str] = set()
    for title, says, user_id, project_id in rows:
        ledger = owners[title.rpartition("-")[0]]
        missing.pop(title, None)
        if title in seen:
            found.append(f"{title} is there twice")
        seen.add(title)
        if Tenant(user_id, project_id) != ledger.tenant:
            found.append(f"{title} is another tenant's")
        if says not in ledger.allowed[title]:
            found.append(f"{title} says {says}, not {ledger.allowed[title]}")
    return [*found, *(f"{title} is missing" for title in missing)]
