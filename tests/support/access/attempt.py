"""An attempt: what somebody tries, what must come of it, and how the model changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from devmentor_models import Transaction
from tests.support.access.model import OK, Model, keys

T = TypeVar("T")

WORDS = ("red", "green")
LIMIT = 500


@dataclass(frozen=True)
class Step:
    """One thing that somebody tries; numbers choose among whatever there is by then.

    Attributes:
        who: Which of the three.
        action: The action's name.
        which: With which project, item, document or team, whoever's it is.
        other: A second one, or which of the three it is done to.
        choice: A role, a word, an amount …
    """

    who: int
    action: str
    which: int = 0
    other: int = 0
    choice: int = 0


@dataclass
class Attempt:
    """A call, and what must come of it.

    Attributes:
        service: Whose login makes the call.
        call: The call.
        refused: Name of the error, with the role that it names; empty: it works.
        then: What it changes in the model; it is given the call's result.
        answer: What is compared of the result.
        expected: What that must be.
    """

    service: str
    call: Callable[[Transaction], Any]
    refused: str = OK
    then: Callable[[Any], object] = lambda _: None
    answer: Callable[[Any], object] = lambda _: None
    expected: object = None


#: Takes the model, who acts, and the step.
Action = Callable[[Model, UUID, Step], Attempt]


class NothingThereError(Exception):
    """There is nothing yet that a step could be about."""


def pick(things: Sequence[T], number: int) -> T:
    """Return one of the things."""
    if not things:
        raise NothingThereError
    return things[number % len(things)]


def change(thing: object, **values: object) -> Callable[[Any], None]:
    """Return what sets attributes in the model."""

    def then(_: Any) -> None:
        for name, value in values.items():
            setattr(thing, name, value)

    return then


def keys_of(page: Any) -> frozenset[UUID]:
    """Return the keys of a page's rows."""
    return keys(page.items)
