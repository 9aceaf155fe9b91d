"""Find the differences between two snapshots and the order in which they can be removed."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable

from alembic.operations.ops import MigrateOperation

from devmentor_models.migrations.catalog import Item, Key, Snapshot
from devmentor_models.migrations.catalog.queries import KINDS
from devmentor_models.migrations.compare import parts, tables
from devmentor_models.migrations.compare.changes import UNCOMPARED, Alteration, Breaks, Change, Step
from devmentor_models.migrations.operations import BothWays

#: What PostgreSQL does not rebuild when the type of a column changes.
_COMPILED = {"view", "materialized_view", "rule", "policy", "trigger", "function", "publication"}
_ORDER = {kind: place for place, kind in enumerate(["role", *KINDS, "default", "owner", "grant", "comment"])}
#: What stands before all tables; the rest goes with its table.
_FIRST = {"role", "schema", "extension", "collation", "enum", "composite", "domain", "sequence"}

Node = tuple[Step, Key]


def changes(live: Snapshot, desired: Snapshot) -> list[Change]:
    """Return what leads from ``live`` to ``desired``, each change after those that it needs."""
    return _Plan(live, desired).ordered()


class _Plan:
    """The differences of two snapshots, on their way to an order."""

    def __init__(self, live: Snapshot, desired: Snapshot) -> None:
        live, desired = _with_defaults(live, desired), _with_defaults(desired, live)
        self.live = live
        self.desired = desired
        self.dependants: dict[Key, set[Key]] = defaultdict(set)
        for key, item in live.items():
            for needed in item.requires:
                self.dependants[needed].add(key)
        self.gone = {key for key in live if key not in desired}
        self.new = {key for key in desired if key not in live}
        self.altered: dict[Key, Alteration] = {}
        self.replaced: set[Key] = set()
        for key in desired.keys() & live.keys():
            if _facts(live[key]) != _facts(desired[key]):
                self._alter(key)
        self.differing = {*self.gone, *self.new, *self.altered, *self.replaced}
        self._make_way()
        self.inside = {
            **_inside(live, {key for key in self.gone if key.kind == "table"}, Step.DROP),
            **_inside(desired, {key for key in self.new if key.kind == "table"}, Step.CREATE),
        }

    def _alter(self, key: Key) -> None:
        how = parts.alter(self.live[key], self.desired[key], self.live, self.desired)
        if how is None:
            self.replaced.add(key)
        else:
            self.altered[key] = how

    def _make_way(self) -> None:
        """Replace, too, what stands on something that goes or that PostgreSQL won't change beneath it."""
        queue = [(key, Breaks.EVERYTHING) for key in [*self.gone, *self.replaced]]
        queue += [(key, how.breaks) for key, how in self.altered.items()]
        while queue:
            key, breaks = queue.pop()
            for dependant in self.dependants[key]:
                if dependant.kind == "column" and key in self.altered and breaks is Breaks.EVERYTHING:
                    # A type made anew changes its columns' types; a table made anew has other columns.
                    queue.append((dependant, breaks if key.kind == "table" else Breaks.COMPARED))
                if (
                    dependant in self.gone
                    or dependant in self.replaced
                    or not self._breaks(breaks, dependant)
                ):
                    continue
                self.altered.pop(dependant, None)
                self.replaced.add(dependant)
                queue.append((dependant, Breaks.EVERYTHING))

    def _breaks(self, breaks: Breaks, dependant: Key) -> bool:
        """Say whether a dependant must go for a while."""
        generated = dependant.kind == "column" and bool(self.live[dependant]["generated"])
        if breaks in {Breaks.COMPILED, Breaks.COMPARED}:
            foreign = dependant.kind == "constraint" and self.live[dependant]["type"] == "f"
            return dependant.kind in _COMPILED or generated or (foreign and breaks is Breaks.COMPARED)
        if breaks is Breaks.EVERYTHING:
            return generated or dependant.kind not in {"column", "table", "schema"}
        return False

    def ordered(self) -> list[Change]:
        """Return the changes in an order in which each is possible."""
        steps = self._steps()
        before: dict[Node, set[Node]] = {node: set() for node in steps}
        for first, then in self._edges():
            if first != then and first in steps and then in steps:
                before[then].add(first)
        after: dict[Node, set[Node]] = defaultdict(set)
        for node, needed in before.items():
            for first in needed:
                after[first].add(node)
        ready = [(self._rank(node), node) for node, needed in before.items() if not needed]
        heapq.heapify(ready)
        made: list[Change] = []
        while before:
            # Parts may need each other in a circle only where the order does not matter to PostgreSQL.
            node = (
                heapq.heappop(ready)[1]
                if ready
                else min(before, key=lambda node: (len(before[node]), self._rank(node)))
            )
            if before.pop(node, None) is None:
                continue
            made.append(self._change(node))
            for later in after[node]:
                if later in before:
                    before[later].discard(node)
                    if not before[later]:
                        heapq.heappush(ready, (self._rank(later), later))
        return [change for change in made if change.operations]

    def _steps(self) -> set[Node]:
        dropped = {(Step.DROP, key) for key in self.gone | self.replaced}
        created = {(Step.CREATE, key) for key in self.new | self.replaced if key in self.desired}
        altered = {(Step.ALTER, key) for key in self.altered}
        return {node for node in dropped | created if node not in self.inside} | altered

    def _node(self, node: Node) -> Node:
        """Return the step in which a part comes or goes: a new table's columns come with it."""
        return self.inside.get(node, node)

    def _edges(self) -> Iterable[tuple[Node, Node]]:
        """Yield which step must come before which."""
        yield from self._edges_of_drops()
        for key in self.new | self.replaced | self.altered.keys():
            if key not in self.desired:
                continue
            node = self._node((Step.ALTER if key in self.altered else Step.CREATE, key))
            for needed in _whole(self.desired[key]) if key in self.replaced else self.desired[key].requires:
                yield self._node((Step.CREATE, needed)), node
                if needed in self.altered:
                    yield (Step.ALTER, needed), node

    def _edges_of_drops(self) -> Iterable[tuple[Node, Node]]:
        """Yield what must be gone, or need it no more, before something goes."""
        for key in self.gone | self.replaced:
            dropped = self._node((Step.DROP, key))
            for needed in _whole(self.live[key]):
                yield dropped, self._node((Step.DROP, needed))
                yield dropped, (Step.ALTER, needed)
            if key in self.replaced:
                yield dropped, self._node((Step.CREATE, key))
        for key in self.altered:
            yield from self._edges_of_altered(key)

    def _edges_of_altered(self, key: Key) -> Iterable[tuple[Node, Node]]:
        """Yield what comes after an altered part has let go of it, and what has its name before."""
        before, after = self.live[key].requires, self.desired[key].requires
        for needed in before:
            yield (Step.ALTER, key), self._node((Step.DROP, needed))
        for needed in before - after:
            yield (Step.ALTER, key), (Step.ALTER, needed)
        if key.kind == "column":  # the sequence of an identity is called so
            namesake = Key("sequence", key.schema, "", f"{key.table}_{key.name}_seq")
            yield (Step.DROP, namesake), (Step.ALTER, key)
            yield (Step.ALTER, key), (Step.CREATE, namesake)

    def _rank(self, node: Node) -> tuple[object, ...]:
        """Return what comes first of what could: drops, then types, then table by table."""
        step, key = node
        order = _ORDER[key.kind]
        if step is Step.DROP:  # a role goes when it has nothing any more
            return (9 if key.kind == "role" else 0, -order, *key)
        table = key.name if key.kind == "table" else key.table
        tier = 1 if step is Step.ALTER and key.kind == "enum" else 2 if key.kind in _FIRST else 3
        if tier < 3:  # noqa: PLR2004 - the tiers above
            return (tier, order, *key)
        return (
            tier,
            key.schema,
            table if key.kind not in {"grant", "comment", "owner"} else "~",
            order,
            *key,
        )

    def _change(self, node: Node) -> Change:
        step, key = node
        old, new = self.live.get(key), self.desired.get(key)
        because = key not in self.differing
        if step is Step.ALTER:
            operations = self._added_values(key) if key.kind == "enum" else self.altered[key].operations
            return Change(step, key, old, new, operations)
        item = old if step is Step.DROP else new
        snapshot = self.live if step is Step.DROP else self.desired
        assert item is not None  # noqa: S101 - a step is made for a part that is there
        return Change(step, key, old, new, self._operations(step, item, snapshot), because)

    def _added_values(self, key: Key) -> list[MigrateOperation]:
        """Return how an enum changes; where it gets values, what stands on it makes way on the way back."""
        operations = self.altered[key].operations
        if self.altered[key].breaks is Breaks.EVERYTHING or not operations:
            return operations
        there = operations[0]
        assert isinstance(there, BothWays)  # noqa: S101 - so `own_types` makes it
        common = {
            part: item for part, item in self.live.items() if part in self.desired.keys() - self.replaced
        }
        found = changes(Snapshot({**common, key: self.desired[key]}), Snapshot(common))
        back = [operation for change in found for operation in change.operations]
        return [BothWays(there.there, back)]

    def _operations(self, step: Step, item: Item, snapshot: Snapshot) -> list[MigrateOperation]:
        if item.key.kind == "table":
            own = [
                snapshot[part]
                for (phase, part), node in self.inside.items()
                if node == (step, item.key) and phase is step
            ]
            made = tables.create_table(item, own, snapshot)
        elif step is Step.CREATE:
            return parts.create(item, snapshot)
        else:
            return parts.drop(item, snapshot)
        return made if step is Step.CREATE else [operation.reverse() for operation in reversed(made)]


def _facts(item: Item) -> dict[str, object]:
    return {name: value for name, value in item.state.items() if name not in UNCOMPARED}


def _whole(item: Item) -> set[Key]:
    """Return what a part requires, and the tables of the columns among that."""
    tables = {Key("table", key.schema, "", key.table) for key in item.requires if key.kind == "column"}
    return tables | item.requires


def _with_defaults(snapshot: Snapshot, other: Snapshot) -> Snapshot:
    """Return the snapshot with defaults as parts of their own, where they call functions and stay.

    A column stays while such a function is made anew; its default must go and come back.
    """
    made = dict(snapshot)
    for key, item in snapshot.items():
        default = None if key.kind != "column" or item["generated"] else item["default"]
        twin = other.get(key)
        if default is None or twin is None:
            continue
        # A sequence must be gone before an identity can have its name.
        numbered = bool(item["identity"]) != bool(twin["identity"])
        calls = {needed for needed in item.requires if needed.kind in {"function", "sequence"}}
        if calls and (numbered or twin["default"] == default):
            state = {name: fact for name, fact in item.state.items() if name != "default" or not numbered}
            made[key] = Item(key, state, item.requires - calls)
            own = key._replace(kind="default")
            made[own] = Item(own, {"default": default}, frozenset({key, *calls}))
    return Snapshot(made)


def _inside(snapshot: Snapshot, whole: set[Key], step: Step) -> dict[Node, Node]:
    """Return what is made, or goes, with its table: columns, and constraints that CREATE TABLE can state.

    Of foreign keys those whose target is made before; tables in a circle get theirs after.
    """
    made: dict[Node, Node] = {}
    by_table: dict[Key, list[Item]] = defaultdict(list)
    for key, item in snapshot.items():
        table = Key("table", key.schema, "", key.table)
        if key.kind in {"column", "constraint"} and table in whole:
            by_table[table].append(item)
    waiting = set(whole)
    while waiting:
        targets = {table: _targets(by_table[table]) & waiting - {table} for table in waiting}
        table = min(waiting, key=lambda table: (len(targets[table]), table))
        for item in by_table[table]:
            inside = item.key.kind == "column" or (
                tables.constraint(item) is not None
                and not _targets([item]) & (waiting - {table})
                and not _merged(item, by_table[table])
            )
            if inside:
                made[step, item.key] = (step, table)
        waiting.discard(table)
    return made


def _merged(item: Item, others: list[Item]) -> bool:
    """Say whether CREATE TABLE would take a UNIQUE constraint and another key of the same columns for one."""
    if item["type"] != "u":
        return False
    columns = str(item["definition"]).partition("(")[2]
    return any(
        other["type"] in {"p", "u"}
        and other.key != item.key
        and str(other["definition"]).partition("(")[2] == columns
        for other in others
    )


def _targets(items: Iterable[Item]) -> set[Key]:
    """Return the tables that foreign keys refer to."""
    return {
        needed if needed.kind == "table" else Key("table", needed.schema, "", needed.table)
        for item in items
        if item.key.kind == "constraint"
        for needed in item.requires
        if needed.kind in {"table", "column"}
    }
