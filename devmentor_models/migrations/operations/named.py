"""How an operation of ours is made: from a function that returns its SQL."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op, renderers
from alembic.operations import Operations
from alembic.operations.ops import MigrateOperation

from devmentor_models.migrations.identifiers import Verbatim

#: A function that returns statements; `operation` leaves it as it is.
Statements = TypeVar("Statements", bound=Callable[..., str | list[str]])
#: From here on an argument is written as a block of its own in a revision.
LONG = 60


class NamedOperation(MigrateOperation):
    """A call of one of our operations, and the call that undoes it.

    Attributes:
        verb: Name of the operation.
        arguments: What it is called with.
        options: What it is called with by keyword.
        undo: What takes it back.
    """

    def __init__(
        self,
        verb: str,
        arguments: tuple[Any, ...],
        options: dict[str, Any],
        undo: NamedOperation | None = None,
    ) -> None:
        self.verb = verb
        self.arguments = arguments
        self.options = options
        self.undo = undo

    def reverse(self) -> MigrateOperation:
        """Return the operation that takes this one back.

        Raises:
            NotImplementedError: There is none.
        """
        if self.undo is None:
            raise NotImplementedError(f"{self.verb} cannot be undone")
        reverse = NamedOperation(self.undo.verb, self.undo.arguments, self.undo.options, undo=self)
        self.undo.undo = None
        return reverse

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return the operation as Alembic's hooks see differences."""
        return (self.verb, *self.arguments, self.options)

    def statements(self) -> list[str]:
        """Return the operation's SQL."""
        made = VERBS[self.verb](*self.arguments, **self.options)
        return [made] if isinstance(made, str) else made


class BothWays(MigrateOperation):
    """Operations that are taken back by others than each one's own reverse.

    Attributes:
        there: What is done.
        back: What takes it back.
    """

    def __init__(self, there: Sequence[MigrateOperation], back: Sequence[MigrateOperation]) -> None:
        self.there = list(there)
        self.back = list(back)

    def reverse(self) -> BothWays:
        """Return the operations that take these back."""
        return BothWays(self.back, self.there)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return the operations as Alembic's hooks see differences."""
        return tuple(operation.to_diff_tuple() for operation in self.there)


@renderers.dispatch_for(BothWays)
def _render_both_ways(autogen: AutogenContext, operation: BothWays) -> list[str]:
    return [line for step in operation.there for line in render_op(autogen, step)]


VERBS: dict[str, Callable[..., str | list[str]]] = {}
#: Operations that PostgreSQL runs in no transaction, or whose effect the same transaction may not use.
AUTONOMOUS: set[str] = set()


def operation(*, autonomous: bool = False) -> Callable[[Statements], Statements]:
    """Make ``op.<name>`` of a function that returns SQL.

    Args:
        autonomous: It runs outside the revision's transaction, which is committed before.
    """

    def register(function: Statements) -> Statements:
        name = getattr(function, "__name__")  # noqa: B009 - a Callable has no name for type checkers
        VERBS[name] = function
        if autonomous:
            AUTONOMOUS.add(name)

        @functools.wraps(function)
        def invoke(cls: type, operations: Operations, *arguments: Any, **options: Any) -> Any:
            return operations.invoke(cls(name, arguments, options))

        signature = inspect.signature(function)
        own = [
            inspect.Parameter(part, inspect.Parameter.POSITIONAL_OR_KEYWORD) for part in ("cls", "operations")
        ]
        setattr(invoke, "__signature__", signature.replace(parameters=[*own, *signature.parameters.values()]))  # noqa: B010 - likewise
        made = type(name, (NamedOperation,), {name: classmethod(invoke)})
        Operations.register_operation(name)(made)
        Operations.implementation_for(made)(_run)
        return function

    return register


def call(verb: str, *arguments: Any, undo: NamedOperation | None = None, **options: Any) -> NamedOperation:
    """Return a call of ``op.<verb>``, as autogenerate proposes it; arguments that are None are left out."""
    given = {name: value for name, value in options.items() if value is not None}
    return NamedOperation(verb, arguments, given, undo)


@Operations.implementation_for(NamedOperation)
def _run(operations: Operations, operation: NamedOperation) -> None:
    if operation.verb in AUTONOMOUS:
        with operations.get_context().autocommit_block():
            _execute(operations, operation)
    else:
        _execute(operations, operation)


def _execute(operations: Operations, operation: NamedOperation) -> None:
    for sql in operation.statements():
        operations.execute(Verbatim(sql))


@renderers.dispatch_for(NamedOperation)
def _render(autogen: AutogenContext, operation: NamedOperation) -> str:
    prefix = autogen.opts["alembic_module_prefix"] or ""
    parts = [_written(value) for value in operation.arguments]
    parts += [f"{name}={_written(value)}" for name, value in operation.options.items()]
    return f"{prefix}{operation.verb}({', '.join(parts)})"


def _written(value: Any) -> str:
    """Write a value as a person would: statements and queries as blocks, other long texts line by line."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(_written(part) for part in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name!r}: {_written(part)}" for name, part in value.items()) + "}"
    return repr(value)


def _text(value: str) -> str:
    lines = value.strip().split("\n")
    if len(lines) == 1:
        both = len(value) > LONG and '"' in value and "'" in value
        return (_quoted(value) if both else None) or repr(value)
    # Alembic indents every line, and strips it at its end; operations take the indentation off again.
    statement = lines[0].startswith("CREATE ")
    query = re.match(r"\s*(SELECT|WITH)\b", value) and not any(line.count("'") % 2 for line in lines)
    if (statement or query) and not any(line != line.rstrip() for line in lines):
        block = _quoted("\n" + "\n".join(lines) + "\n")
        if block is not None:
            return block
    return "\n" + "\n".join(repr(line) for line in value.splitlines(keepends=True))


def _quoted(value: str) -> str | None:
    """Return a string between three quotes; None where neither kind can hold it."""
    prefix = "r" if "\\" in value else ""
    for quotes in ('"""', "'''"):
        if quotes not in value and not value.endswith((quotes[0], "\\")):
            return f"{prefix}{quotes}{value}{quotes}"
    return None
