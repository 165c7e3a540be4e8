"""The rules of the house that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from linegate.postgres.queries import bundled

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "linegate"
MODULES = sorted(SOURCE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MIGRATIONS = sorted((SOURCE / "postgres" / "migrations").glob("*.sql"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 60  # 40 is the aim; what gives each of many names a line may take more

# What reads the machine's clock or sleeps, and who may: `clock.py`, and shells outside the rules.
CLOCK = re.compile(r"\b(datetime\.(utc)?now|date\.today|time\.(time|sleep|time_ns))\s*\(")
READS_THE_CLOCK = {"clock.py"}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 50
    assert MIGRATIONS


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_why_it_exists(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), "no docstring"


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=name_of)
def test_a_file_holds_one_idea(path: Path) -> None:
    assert path.stem not in EMPTY_NAMES, "a name that says nothing"
    if path in MODULES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= LONGEST_FILE


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    for function in functions_of(path):
        assert function.end_lineno is not None
        length = function.end_lineno - function.lineno + 1
        assert length <= LONGEST_FUNCTION, f"{function.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nobody_but_the_clock_reads_the_time(path: Path) -> None:
    if str(path.relative_to(SOURCE)) in READS_THE_CLOCK:
        return
    found = CLOCK.search(path.read_text(encoding="utf-8"))
    assert found is None, found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_exception_is_swallowed(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        assert node.type is not None, f"line {node.lineno}: a bare except"
        body = node.body[0]
        silent = len(node.body) == 1 and isinstance(body, ast.Pass)
        text = path.read_text(encoding="utf-8").splitlines()[body.lineno - 1]
        assert not silent or "#" in text, f"line {node.lineno}: pass without a reason"


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_tests_use_no_mocks_and_do_not_sleep(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not any("mock" in name.split(".") for name in names), f"line {node.lineno}"
    for function in functions_of(path):
        if function.name.startswith("test_"):
            asleep = [each for each in _own_nodes(function) if _sleeps(each)]
            assert not asleep, f"{function.name} sleeps"


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """What the function does itself: servers that it defines may be as slow as they like."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            yield from _own_nodes(node)


def _sleeps(node: ast.AST) -> bool:
    """A call of `sleep` for a time; `sleep(0)` only lets others run."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr != "sleep" or not node.args:
        return False
    first = node.args[0]
    return not (isinstance(first, ast.Constant) and first.value == 0)


def test_every_query_is_used_by_some_module() -> None:
    used: set[str] = set()
    for text in (path.read_text(encoding="utf-8") for path in MODULES):
        called = "|".join([r"bundled\(\)", *re.findall(r"(\w+) = bundled\(\)\n", text)])
        used.update(re.findall(rf"\b(?:{called})\s*\.\s*([a-z_0-9]+)", text))
    names = {query.name for query in bundled()}
    assert names - used == set(), "in sql/*.sql and nowhere else"


EDGES = [*SOURCE.joinpath("api").rglob("*.py"), *SOURCE.joinpath("console").rglob("*.py")]


@pytest.mark.parametrize("path", EDGES, ids=name_of)
def test_what_changes_something_for_a_caller_says_who_that_is(path: Path) -> None:
    """`audit.acting` instead of a bare transaction: the audit log would name the program."""
    found = re.search(r"import [^\n]*\btransaction\b", path.read_text(encoding="utf-8"))
    assert found is None, found


@pytest.mark.parametrize("path", MIGRATIONS, ids=name_of)
def test_a_migration_says_why_it_exists(path: Path) -> None:
    assert path.read_text(encoding="utf-8").lstrip().startswith("--")


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in MIGRATIONS]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_package_of_the_source_has_a_line_about_itself() -> None:
    for folder in sorted({path.parent for path in MODULES}):
        assert (folder / "__init__.py").exists(), folder


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in TESTS if path.name.startswith("test_")]
    assert len(names) == len(set(names)), "two test files of one name hide each other"
