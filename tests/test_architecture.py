"""The rules of the house that a reader of the layout relies on (DESIGN §1)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest
from sqlalchemy.orm import Mapped, mapped_column

from devmentor_models import registry
from devmentor_models.kit.base import Base, Record

PACKAGE = Path(__file__).parent.parent / "devmentor_models"
DOMAINS = set(registry.SCHEMAS)
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "_alembic" not in path.parts)


def imported(path: Path) -> Iterator[str]:
    """Yield the names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages_of(path: Path) -> set[str]:
    """Return which of our packages a file imports from."""
    names = (name.split(".") for name in imported(path))
    return {parts[1] for parts in names if parts[0] == "devmentor_models" and len(parts) > 1}


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_a_domain_imports_no_other_domain(domain: str) -> None:
    """Another domain's table is named by a string, as a foreign key does."""
    for path in (PACKAGE / domain).rglob("*.py"):
        assert packages_of(path) <= {domain, "kit", "security", "errors"}, path


def test_the_kit_and_security_know_no_domain() -> None:
    """Building blocks do not depend on what is built of them."""
    for package in ("kit", "security"):
        for path in (PACKAGE / package).rglob("*.py"):
            assert not packages_of(path) & DOMAINS, path


def test_statements_are_values() -> None:
    """Modules of queries have no session and no I/O."""
    found = [path for path in MODULES if path.stem.endswith("queries")]
    assert len(found) >= len(DOMAINS)
    for path in found:
        tree = ast.parse(path.read_text())
        assert not any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in ast.walk(tree)), path
        assert not any(name.endswith((".Session", ".AsyncSession")) for name in imported(path)), path


def test_repositories_never_commit() -> None:
    """The transaction belongs to whoever opened it."""
    for path in MODULES:
        if path.parent.name in DOMAINS:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute):
                    assert node.attr not in {"commit", "rollback"}, f"{path}:{node.lineno}"


def test_lists_never_skip_rows_by_counting() -> None:
    """Paging is by keyset: OFFSET reads, and may repeat, what it skips."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert node.attr != "offset", f"{path}:{node.lineno}"


def test_relationships_are_loaded_on_request_only() -> None:
    """N+1 queries cannot happen by accident."""
    relations = [relation for mapper in Base.registry.mappers for relation in mapper.relationships]
    assert relations
    assert [str(relation) for relation in relations if relation.lazy != "raise"] == []


def test_a_mapped_class_without_security_does_not_import() -> None:
    """What protects a table stands with the table, or there is no table."""
    with pytest.raises(TypeError, match="Unprotected declares no __security__"):

        class Unprotected(Record):
            __tablename__ = "unprotected"
            __table_args__ = {"schema": "auth"}  # noqa: RUF012 - as SQLAlchemy reads it
            name: Mapped[str] = mapped_column()


def test_every_model_has_a_factory() -> None:
    """Services make test data with factories, never by hand."""
    from devmentor_models.testing import factories  # noqa: PLC0415 - factory-boy is for tests only
    from devmentor_models.testing.factories.base import ModelFactory  # noqa: PLC0415 - as above

    for path in Path(factories.__file__).parent.glob("*.py"):
        __import__(f"{factories.__name__}.{path.stem}")
    made = {factory._meta.model for factory in ModelFactory.__subclasses__()}
    assert {mapper.class_ for mapper in Base.registry.mappers} - made == set()


def public_definitions(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Yield the module, its public classes and functions, and their public methods."""
    tree = ast.parse(path.read_text())
    yield path.name, tree
    stack: list[tuple[str, ast.AST]] = [(path.name, tree)]
    while stack:
        name, node = stack.pop()
        for child in ast.iter_child_nodes(node):
            if _is_public(child):
                yield f"{name}:{child.name}", child
                if isinstance(child, ast.ClassDef):
                    stack.append((f"{name}:{child.name}", child))


def _is_public(node: ast.AST) -> TypeGuard[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    overload = any(isinstance(item, ast.Name) and item.id == "overload" for item in node.decorator_list)
    return not node.name.startswith("_") and not overload


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_public_names_have_docstrings(path: Path) -> None:
    """Every module, public class, function and method says what it is for."""
    for name, node in public_definitions(path):
        if name.endswith((":Meta", ":Params")):
            continue  # factory-boy's way of saying something; the class around it has the docstring
        assert isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        assert ast.get_docstring(node), f"{path}: {name}"


def test_files_stay_readable() -> None:
    """A file over 500 lines is more than one thing."""
    assert [path for path in MODULES if len(path.read_text().splitlines()) > 500] == []
