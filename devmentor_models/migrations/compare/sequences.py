"""Sequences: those that stand alone, those of columns, and those of identities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alembic.operations.ops import MigrateOperation

from devmentor_models.migrations.catalog import Item
from devmentor_models.migrations.compare.changes import Alteration
from devmentor_models.migrations.operations import BothWays, call

_WORDS = {
    "increment": "INCREMENT BY",
    "minvalue": "MINVALUE",
    "maxvalue": "MAXVALUE",
    "start": "START WITH",
    "cache": "CACHE",
}


def parameters(state: Mapping[str, Any]) -> list[str]:
    """Return the parameters of a new sequence; what is left out PostgreSQL chooses.

    >>> parameters({"start": 1000, "cycle": True})
    ['START WITH 1000', 'CYCLE']
    """
    made = [f"{word} {state[name]}" for name, word in _WORDS.items() if state.get(name) is not None]
    return [*made, "CYCLE"] if state.get("cycle") else made


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return how the parameters of a sequence change; it goes on where it stands.

    >>> changes({"cache": 10}, {"cycle": True})
    ['CACHE 1', 'CYCLE']
    """
    downwards = [state.get("increment", 1) < 0 for state in (old, new)]
    turned = downwards[0] != downwards[1]
    start = new.get("maxvalue", -1) if downwards[1] else new.get("minvalue", 1)
    defaults = {"increment": 1, "start": start, "cache": 1}
    limits = {"minvalue", "maxvalue", "start"}
    made: list[str] = []
    for name, word in _WORDS.items():
        if old.get(name) != new.get(name) or (turned and name in limits):
            value = new.get(name, defaults.get(name))
            made.append(f"NO {word}" if value is None else f"{word} {value}")
    if old.get("cycle") != new.get("cycle"):
        made.append("CYCLE" if new.get("cycle") else "NO CYCLE")
    # A sequence that turns round stands on the wrong side of its new limits.
    return [*made, "RESTART"] if turned else made


def create(item: Item) -> list[MigrateOperation]:
    """Return how a sequence is created."""
    name = _dotted(item)
    kind = [f"AS {item['type']}"] if item["type"] else []
    definition = " ".join([*kind, *parameters(item.state)])
    unlogged = True if item["unlogged"] else None
    made = call("create_sequence", name, *([definition] if definition else []), unlogged=unlogged)
    made.undo = call("drop_sequence", name)
    return [made]


def alter(old: Item, new: Item) -> Alteration:
    """Return how a sequence changes."""
    return Alteration([BothWays(_alter(old, new), _alter(new, old))])


def _alter(old: Item, new: Item) -> list[MigrateOperation]:
    kind = [f"AS {new['type'] or 'bigint'}"] if old["type"] != new["type"] else []
    words = [*kind, *changes(old.state, new.state)]
    if old["unlogged"] != new["unlogged"]:
        words.append("SET UNLOGGED" if new["unlogged"] else "SET LOGGED")
    persistence = [word for word in words if word.startswith("SET ")]
    definition = " ".join(word for word in words if word not in persistence)
    return [call("alter_sequence", _dotted(new), change) for change in (definition, *persistence) if change]


def own(item: Item) -> list[MigrateOperation]:
    """Return how a sequence comes to go with a column."""
    there, back = (f"OWNED BY {column}" for column in (item["column"], "NONE"))
    return [call("alter_sequence", _dotted(item), there, undo=call("alter_sequence", _dotted(item), back))]


def alter_owner(old: Item, new: Item) -> Alteration:
    """Return how a sequence comes to go with another column."""
    return Alteration([BothWays(own(new), own(old))])


def _dotted(item: Item) -> str:
    return f"{item.key.schema}.{item.key.name}" if item.key.schema else item.key.name
