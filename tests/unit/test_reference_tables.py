"""The tables of docs/reference say what the code says."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

_spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
assert _spec is not None
assert _spec.loader is not None
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("page", generate.pages(), ids=lambda page: page.name)
def test_a_page_of_the_reference_has_the_tables_of_the_code(page: Path) -> None:
    text = page.read_text("utf-8")
    assert generate.written(text) == text, "write the tables anew: make docs"


def test_options_commands_routes_and_statuses_all_have_their_page() -> None:
    names = {page.name for page in generate.pages()}
    assert names >= {"cli.md", "config.md", "http-api.md", "statuses.md"}


def test_every_path_says_what_it_does() -> None:
    rows = [line for line in generate.routes().splitlines() if "`/" in line]
    assert rows
    assert not [row for row in rows if row.endswith("|  |")]


def test_a_table_that_was_changed_by_hand_is_written_over() -> None:
    page = "before\n<!-- generated: statuses -->\n| by hand |\n<!-- end -->\nafter\n"
    text = generate.written(page)
    assert "by hand" not in text
    assert "`DELIVERED_TO_HANDSET`" in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
