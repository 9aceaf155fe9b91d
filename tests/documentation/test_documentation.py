"""The data dictionary and the diagrams: complete, linked, always the same, and up to date."""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, Enum, Table, text
from typer.testing import CliRunner

from devmentor_models import documentation
from devmentor_models.cli.app import app
from devmentor_models.documentation.diagrams import overview_graph, schema_graph
from devmentor_models.documentation.relations import relations_of
from devmentor_models.documentation.sql import constraint_text, index_text, type_of
from devmentor_models.errors import ConfigurationError
from devmentor_models.registry import SCHEMAS, target_metadata

ROOT = Path(__file__).parent.parent.parent
PAGES = documentation.render()
TABLES = sorted(target_metadata.tables.values(), key=lambda table: table.fullname)


def section(table: Table) -> str:
    """Return what the page of a table's schema says about the table."""
    page = PAGES[f"schema/{table.schema}.md"].partition("\n## Tables\n")[2]
    return re.split(r"^##+ .*\n", page.partition(f"\n### {table.name}\n")[2], maxsplit=1, flags=re.MULTILINE)[
        0
    ]


def rows_of(block: str) -> list[list[str]]:
    """Return the cells of every row of every Markdown table."""
    lines = (line for line in block.splitlines() if line.startswith("| "))
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def anchors(page: str) -> list[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    prose = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in titles)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in plain]


def test_the_committed_pages_are_up_to_date() -> None:
    """A change of the models comes with its documentation: `devmentor-db docs` repairs this."""
    assert documentation.compare(ROOT / "docs") == []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.fullname)
def test_everything_of_a_table_is_told(table: Table) -> None:
    """Its comment, every column with its comment, every constraint and every index."""
    told = section(table)
    assert told.startswith(f"\n{table.comment}.\n")
    cells = {row[0].strip("`"): row for row in rows_of(told)}
    for column in table.columns:
        row = cells[column.name]
        assert type_of(column) in row[2]
        assert row[3] == ("yes" if column.nullable else "no")
        assert row[5].replace("\\", "").startswith(str(column.comment)), row
    named = [item.name for item in table.constraints] + [index.name for index in table.indexes]
    assert {str(name) for name in named} <= set(cells)


def test_no_row_breaks_its_table() -> None:
    """A bar inside a cell is escaped: every row has as many cells as its header."""
    for page in PAGES.values():
        for block in page.split("\n\n"):
            assert len({len(row) for row in rows_of(block)}) <= 1, block


def test_links_lead_to_anchors() -> None:
    """Every link names a page of ours and a heading on it; headings are unique on their page."""
    found = {name: anchors(page) for name, page in PAGES.items()}
    for name, page in PAGES.items():
        assert len(set(found[name])) == len(found[name]), name
        links = re.findall(
            r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", re.sub(r"```.*?```", "", page, flags=re.DOTALL)
        )
        assert links
        for target, anchor in links:
            linked = posixpath.normpath(posixpath.join(posixpath.dirname(name), target)) if target else name
            assert linked in PAGES
            assert not anchor or anchor in found[linked], (name, target, anchor)


def test_types_are_written_as_postgresql_does(devmentor_engine: Engine) -> None:
    """The live catalog calls every column's type what the dictionary calls it."""
    query = text(
        "SELECT n.nspname || '.' || c.relname, a.attname, format_type(a.atttypid, a.atttypmod)"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " AND a.attnum > 0 AND NOT a.attisdropped"
    )
    with devmentor_engine.connect() as connection:
        live = {
            (table, column): kind
            for table, column, kind in connection.execute(query, {"schemas": list(SCHEMAS)})
        }
    assert {
        (table.fullname, column.name): type_of(column) for table in TABLES for column in table.columns
    } == live


def test_values_of_enums_are_listed() -> None:
    """Every enum type has a heading on its schema's page, and its values in order."""
    for table in TABLES:
        for column in table.columns:
            if isinstance(column.type, Enum):
                page = PAGES[f"schema/{column.type.schema}.md"]
                values = page.partition(f"\n### {column.type.name}\n")[2].partition("- Values, in order: ")[2]
                assert values.startswith(", ".join(f"`{value}`" for value in column.type.enums) + "\n")


def test_protection_is_told() -> None:
    """Encrypted and redacted columns are marked; visibility, partitions and append-only are named."""
    users = section(target_metadata.tables["auth.users"])
    assert "**encrypted**; **redacted in the audit trail** |" in users
    assert "- Rows are seen by: the user in `id`\n" in users
    trail = section(target_metadata.tables["auth.audit_log"])
    assert "- Partitioned by: `RANGE (created_at)`\n" in trail
    assert "- Append-only: yes" in trail
    epics = section(target_metadata.tables["projects.epics"])
    assert "the user in `user_id` and the collaborators of the project in `project_id`" in epics


def test_definitions_are_whole() -> None:
    """Predicates, methods, operator classes, percent signs and actions survive."""
    projects, tasks = (target_metadata.tables[f"projects.{name}"] for name in ("projects", "tasks"))
    texts = {str(item.name): constraint_text(item) for item in [*projects.constraints, *tasks.constraints]}
    assert texts["ex_projects_dates"].startswith("EXCLUDE USING gist (user_id WITH =, daterange(")
    assert "WHERE (start_date IS NOT NULL" in texts["ex_projects_dates"]
    documents = {
        str(index.name): index_text(index) for index in target_metadata.tables["memory.documents"].indexes
    }
    assert documents["ix_documents_names"] == ("(user_id, fts, title gin_trgm_ops, source_uri gin_trgm_ops)")
    assert documents["uq_documents_user_id_project_id_content_hash"] == (
        "(user_id, project_id, content_hash) NULLS NOT DISTINCT WHERE deleted_at IS NULL"
    )
    assert "`CHECK (email LIKE '_%@_%')`" in section(target_metadata.tables["auth.users"])
    assert (
        "[projects.epics](projects.md#epics) `(user_id, project_id, id)` `ON DELETE SET NULL (epic_id)`"
        in section(tasks)
    )


def test_diagrams_show_every_table_and_foreign_key() -> None:
    """The overview names all tables; each schema's diagram has its columns and its relations."""
    overview = PAGES["schema/README.md"].partition("```mermaid\n")[2].partition("```")[0]
    for table in TABLES:
        assert f'    "{table.fullname}"\n' in overview
        diagram = PAGES[f"schema/{table.schema}.md"].partition("```mermaid\n")[2].partition("```")[0]
        entity = diagram.partition(f'    "{table.name}" {{\n')[2].partition("    }\n")[0]
        assert [line.split()[1] for line in entity.splitlines()] == [column.name for column in table.columns]
        for relation in relations_of([table]):
            assert re.search(
                rf'"{relation.parent.fullname}" \S+ "{table.fullname}" : "{relation.label}"', overview
            )


def test_relations_tell_how_many() -> None:
    """Optional where a column is nullable, single where the key is unique."""
    found = {
        (relation.child.fullname, relation.label): relation
        for relation in relations_of(target_metadata.tables.values())
    }
    assert (
        found["projects.tasks", "assignee_id"].optional,
        found["projects.tasks", "assignee_id"].single,
    ) == (
        True,
        False,
    )
    step = found["learning.progress", "step_id"]
    assert (step.optional, step.single) == (False, True)


def test_graphs_hold_every_table() -> None:
    """What Graphviz draws has the same tables."""
    drawn = overview_graph(target_metadata, SCHEMAS)
    for table in TABLES:
        assert f'"{table.fullname}" [label=' in drawn
        assert f'"{table.fullname}" [label=' in schema_graph(target_metadata, str(table.schema))


def test_the_same_models_always_make_the_same_pages() -> None:
    """Another process, with other hashes, writes the same text."""
    code = "from devmentor_models import documentation; print(documentation.render())"
    printed = {
        subprocess.run(  # noqa: S603 - code of ours
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {f"{PAGES}\n"}


def test_check_names_every_difference(tmp_path: Path) -> None:
    """Missing, changed and left-over pages are named with the command that repairs them; then all is well."""
    run = CliRunner()
    asked = ["docs", "--output", str(tmp_path)]
    assert run.invoke(app, asked).exit_code == 0
    folder = tmp_path / "schema"
    (folder / "auth.md").unlink()
    (folder / "ai.md").write_text((folder / "ai.md").read_text() + "\n")
    (folder / "old.md").write_text((folder / "memory.md").read_text())
    (folder / "notes.md").write_text("Written by hand.\n")
    checked = run.invoke(app, [*asked, "--check"])
    assert checked.exit_code == 1
    assert checked.stdout.splitlines() == [
        f"{folder}/auth.md is missing",
        f"{folder}/ai.md differs from the models",
        f"{folder}/old.md belongs to no schema",
        f"Run `devmentor-db docs --output {tmp_path}`.",
    ]
    assert run.invoke(app, asked).exit_code == 0
    assert run.invoke(app, [*asked, "--check"]).exit_code == 0
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.md"))
    assert written == sorted([*PAGES, "schema/notes.md"])
    assert "Every page was up to date." in run.invoke(app, asked).stderr


def test_without_graphviz_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are written all the same."""
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(app, ["docs", "--output", str(tmp_path)])
    assert done.exit_code == 0
    assert "Graphviz is not installed" in done.stderr
    assert (tmp_path / "schema" / "README.md").exists()
    assert not list(tmp_path.rglob("*.svg"))


def install_dot(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program called dot first in the path."""
    program = folder / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_graphviz_draws_a_file_for_each_diagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dot -Tsvg -o file` gets each graph on its standard input."""
    install_dot(tmp_path, 'cat > "$3"', monkeypatch)
    drawn = documentation.draw(tmp_path / "docs")
    assert drawn is not None
    assert {path.stem for path in drawn} == {*SCHEMAS, "overview"}
    assert all(path.read_text().startswith("digraph schema {") for path in drawn)


def test_a_failing_graphviz_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, with what could not be drawn."""
    install_dot(tmp_path, "exit 3", monkeypatch)
    with pytest.raises(ConfigurationError, match=r"could not draw auth\.svg"):
        documentation.draw(tmp_path / "docs")
