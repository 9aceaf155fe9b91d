"""A platform's rows, made up: users of very different sizes, their projects, memories, teams and tasks.

The same seed makes the same rows. Everything is ordered by time, as it would have arrived: a tenant's rows
lie scattered over the table, which is the hard case for a query of that tenant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pydoc_data import topics
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SEED: Final = 20261201
DIMENSIONS: Final = 256
MODEL: Final = "bench-256"
MEMBERS: Final = 5
_DAY_MS: Final = 86_400_000
_HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"
_SOURCES = ("upload", "scrape", "conversation", "code", "note")
_WORDS_OF_A_MEMORY = 14

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many rows of each kind."""

    users: int
    projects: int
    documents: int
    teams: int
    tasks: int

    @property
    def total(self) -> int:
        """All rows: also a vector for each project and the members of the teams."""
        return self.users + 2 * self.projects + self.documents + self.teams * (1 + MEMBERS) + self.tasks


class Rows:
    """The rows of a data set, table by table.

    Attributes:
        amounts: How many there are.
        owner: The user of each project, as a number.
        tenants: Numbers of the users, those with the most memories first.
        memories: How many memories each user has.
    """

    def __init__(self, amounts: Amounts) -> None:
        random = np.random.default_rng(SEED)
        self.amounts = amounts
        self._random = random
        self._now = int(datetime.now(UTC).timestamp() * 1000)
        # A few users remember a thousand times what most do.
        weights = random.lognormal(0, 1.8, amounts.users)
        weights /= weights.sum()
        of_user = random.choice(amounts.users, amounts.documents, p=weights)
        self.memories: Numbers = np.bincount(of_user, minlength=amounts.users)
        self.tenants: Numbers = np.argsort(-self.memories, kind="stable")
        spread = np.sqrt(weights)
        more = random.choice(amounts.users, amounts.projects - amounts.users, p=spread / spread.sum())
        self.owner: Numbers = np.sort(np.concatenate([np.arange(amounts.users), more]))
        self._age = np.sort(random.exponential(60, amounts.documents))[::-1] * _DAY_MS
        self._project = self._projects_of(of_user)
        self._user = of_user
        year = np.full(max(amounts.users, amounts.projects, amounts.tasks), 365 * _DAY_MS)
        self.user_keys = self._keys(year[: amounts.users])
        self.project_keys = self._keys(year[: amounts.projects])
        self.team_keys = self._keys(year[: amounts.teams])
        self.model_key = self._keys(year[:1])[0]

    def users(self) -> Iterator[str]:
        """Yield lines of id, email, username, password_hash."""
        for number, key in enumerate(self.user_keys):
            yield f"{key}\tuser{number}@bench.example\tuser{number}\t{_HASH}\n"

    def projects(self) -> Iterator[str]:
        """Yield lines of id, user_id, name, slug."""
        for number, (key, owner) in enumerate(zip(self.project_keys, self.owner.tolist(), strict=True)):
            yield f"{key}\t{self.user_keys[owner]}\tProject {number}\tproject-{number}\n"

    def documents(self) -> Iterator[str]:
        """Yield lines of id, user_id, project_id, title, content, source, content_hash, times."""
        words = " ".join(topics.topics.values()).replace("\\", " ").split()
        starts = self._random.integers(0, len(words) - _WORDS_OF_A_MEMORY, self.amounts.documents).tolist()
        places = zip(
            self._keys(self._age),
            self._user.tolist(),
            self._project.tolist(),
            starts,
            ((self._now - self._age) / 1000).tolist(),
            strict=True,
        )
        for number, (key, user, project, start, time) in enumerate(places):
            title = " ".join(words[start : start + 4])[:200]
            content = f"{' '.join(words[start : start + _WORDS_OF_A_MEMORY])} {number}"
            digest = hashlib.sha256(content.encode()).hexdigest()
            stored = datetime.fromtimestamp(time, UTC).isoformat()
            inside = self.project_keys[project] if project >= 0 else r"\N"
            yield (
                f"{key}\t{self.user_keys[user]}\t{inside}\t{title}\t{content}\t{_SOURCES[number % 5]}"
                f"\t\\\\x{digest}\t{stored}\t{stored}\n"
            )

    def teams(self) -> Iterator[str]:
        """Yield lines of id, user_id, name: a team for each of the busiest users."""
        for key, owner in zip(self.team_keys, self.tenants.tolist(), strict=False):
            yield f"{key}\t{self.user_keys[owner]}\tTeam\n"

    def members(self) -> Iterator[str]:
        """Yield lines of user_id, team_id, member_id."""
        for number, key in enumerate(self.team_keys):
            for member in self._members(number):
                owner = self.user_keys[int(self.tenants[number])]
                yield f"{owner}\t{key}\t{self.user_keys[member]}\n"

    def tasks(self) -> Iterator[str]:
        """Yield lines of id, user_id, project_id, title, position, assignee_id."""
        place = {int(owner): number for number, owner in enumerate(self.tenants[: self.amounts.teams])}
        keys = self._keys(np.full(self.amounts.tasks, 30 * _DAY_MS))
        chosen = self._random.integers(0, self.amounts.projects, self.amounts.tasks).tolist()
        for number, (key, project) in enumerate(zip(keys, chosen, strict=True)):
            owner = int(self.owner[project])
            # Every other task of a team's owner is a member's; everybody else works alone.
            alone = owner not in place or number % 2
            assignee = owner if alone else self._members(place[owner])[number % MEMBERS]
            yield (
                f"{key}\t{self.user_keys[owner]}\t{self.project_keys[project]}\tTask {number}\t{number}"
                f"\t{self.user_keys[assignee]}\n"
            )

    def vectors(self) -> bytes:
        """Return the projects' vectors in COPY's binary format.

        Columns: id, user_id, project_id, model_id, dimensions, content_hash, embedding.
        """
        count = self.amounts.projects
        vectors = self._random.standard_normal((count, DIMENSIONS), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        columns: list[tuple[str, str | tuple[Any, ...], Any]] = [
            ("id", "V16", _raw(self._keys(np.full(count, 365 * _DAY_MS)))),
            ("user_id", "V16", _raw([self.user_keys[owner] for owner in self.owner.tolist()])),
            ("project_id", "V16", _raw(self.project_keys)),
            ("model_id", "V16", _raw([self.model_key] * count)),
            ("dimensions", ">i4", DIMENSIONS),
            ("content_hash", "V32", np.frombuffer(self._random.bytes(32 * count), "V32")),
            ("embedding", "V" + str(4 + 2 * DIMENSIONS), halfvecs(vectors)),
        ]
        layout: list[tuple[str, Any]] = [("count", ">i2")]
        for name, kind, _ in columns:
            layout += [(f"{name}_size", ">i4"), (name, kind)]
        lines = np.zeros(count, np.dtype(layout))
        lines["count"] = len(columns)
        for name, _, values in columns:
            lines[f"{name}_size"] = lines.dtype[name].itemsize
            lines[name] = values
        return b"PGCOPY\n\xff\r\n\0" + bytes(8) + lines.tobytes() + b"\xff\xff"

    def _members(self, team: int) -> list[int]:
        """Return who belongs to a team: five users who follow its owner in size."""
        users = self.amounts.users
        return [int(self.tenants[(team + step) % users]) for step in range(1, MEMBERS + 1)]

    def _projects_of(self, of_user: Numbers) -> Numbers:
        """Return the project of each memory, -1 for a tenth; a user's first projects get the most."""
        first = np.searchsorted(self.owner, np.arange(self.amounts.users))
        count = np.bincount(self.owner, minlength=self.amounts.users)
        within = (self._random.random(len(of_user)) ** 2 * count[of_user]).astype(np.int64)
        project = first[of_user] + within
        project[self._random.random(len(of_user)) < 0.1] = -1
        return project

    def _keys(self, age: NDArray[Any]) -> list[str]:
        """Return a UUIDv7 for each age in milliseconds, without dashes, rising as the ages fall."""
        raw = np.frombuffer(self._random.bytes(16 * len(age)), np.uint8).reshape(-1, 16).copy()
        times = (self._now - age).astype(">u8").reshape(-1, 1).view(np.uint8)
        raw[:, :6] = times[:, 2:]
        raw[:, 6] = raw[:, 6] & 0x0F | 0x70
        raw[:, 8] = raw[:, 8] & 0x3F | 0x80
        text = raw.tobytes().hex()
        return [text[place : place + 32] for place in range(0, len(text), 32)]


def halfvecs(vectors: NDArray[np.float32]) -> NDArray[np.void]:
    """Return each vector as pgvector receives a halfvec: length, nothing, numbers in half precision."""
    count, length = vectors.shape
    sent = np.zeros(count, np.dtype([("length", ">i2"), ("unused", ">i2"), ("numbers", ">f2", (length,))]))
    sent["length"] = length
    sent["numbers"] = vectors
    return sent.view(f"V{4 + 2 * length}")


def _raw(keys: list[str]) -> NDArray[np.void]:
    return np.frombuffer(bytes.fromhex("".join(keys)), "V16")
