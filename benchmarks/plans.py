"""How a repository's statement is run: its plan, under the policies that bind the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event

from devmentor_models import Transaction


@dataclass(frozen=True, slots=True)
class Plan:
    """What PostgreSQL did for a statement.

    Attributes:
        indexes: Names of the indexes that were used.
        scanned: Tables that were read from one end to the other.
        buffers: Pages of 8 KiB that were looked at.
        looked_at: Rows of tables that were looked at, with those that a condition removed.
        rows: Rows that came out.
        text: The plan as PostgreSQL shows it.
    """

    indexes: frozenset[str]
    scanned: frozenset[str]
    buffers: int
    looked_at: int
    rows: int
    text: str


def plan_of(tx: Transaction, call: Callable[[Transaction], object]) -> Plan:
    """Run the one statement that ``call`` sends once more, explained; see `plans_of`."""
    (plan,) = plans_of(tx, call)
    return plan


def plans_of(tx: Transaction, call: Callable[[Transaction], object]) -> list[Plan]:
    """Run what ``call`` sends once more, explained, in the same transaction and with the same values.

    Args:
        tx: An open transaction.
        call: Calls one method.
    """
    connection = tx.session.connection()
    sent: list[tuple[str, Any]] = []

    def note(_: Connection, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        sent.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    call(tx)
    event.remove(connection, "before_cursor_execute", note)
    return [_explained(connection, *statement) for statement in sent]


def _explained(connection: Connection, statement: str, parameters: Any) -> Plan:
    explained = connection.exec_driver_sql(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters
    ).scalar_one()[0]["Plan"]
    nodes = list(_nodes(explained))
    return Plan(
        indexes=frozenset(node["Index Name"] for node in nodes if "Index Name" in node),
        scanned=frozenset(node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"),
        buffers=explained["Shared Hit Blocks"] + explained["Shared Read Blocks"],
        looked_at=sum(_looked_at(node) for node in nodes if "Relation Name" in node),
        rows=round(explained["Actual Rows"]),
        text="; ".join(_described(node) for node in nodes if "Scan" in node["Node Type"]),
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _looked_at(node: dict[str, Any]) -> int:
    rows: float = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return round(rows * float(node["Actual Loops"]))


def _described(node: dict[str, Any]) -> str:
    where = node.get("Index Name") or node.get("Relation Name") or node.get("CTE Name", "")
    return f"{node['Node Type']} {where} ({round(node['Actual Rows'] * node['Actual Loops'])})"
