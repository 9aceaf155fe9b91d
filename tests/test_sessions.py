"""Whatever the default run leaves out is run by a session of its own."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_every_mark_that_is_left_out_is_run_by_the_continuous_check() -> None:
    """Or by a session that CONTRIBUTING.md counts among those that are run by hand."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["addopts"]
    (expression,) = (option for option in options if option.startswith("-m "))
    left_out = re.findall(r"not (\w+)", expression)
    assert len(left_out) == len(expression.split(" and "))
    checked = re.findall(r"^\./dev (.*?)(?: --|\|\||2>)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    by_hand = (ROOT / "CONTRIBUTING.md").read_text().partition("run by hand:")[2].partition("\n\n")[0]
    sessions = {*" ".join(checked).split(), *re.findall(r"`(\w+)`", by_hand)}
    assert {"tests", "soak"} <= sessions
    assert {mark: runs(mark) & sessions for mark in left_out if not runs(mark) & sessions} == {}


def runs(mark: str) -> set[str]:
    """Return the sessions of nox that run the tests with a mark."""
    functions = ast.parse((ROOT / "noxfile.py").read_text()).body
    return {
        function.name
        for function in functions
        if isinstance(function, ast.FunctionDef) and f"'-m', '{mark}'" in ast.unparse(function)
    }


@pytest.mark.parametrize(("mark", "session"), [("long", "long"), ("kills", "mirror")])
def test_sessions_are_found_by_what_they_run(mark: str, session: str) -> None:
    """A session need not be named like its mark."""
    assert runs(mark) == {session}
