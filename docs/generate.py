"""Writes the tables of docs/reference that say what the code says: `make docs`.

A table stands between `<!-- generated: NAME -->` and `<!-- end -->`; what is around it is written
by hand. tests/unit/test_reference_tables.py fails while a page and the code differ.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer
from prometheus_client import CollectorRegistry

from linegate.api.app import Routes, create_app
from linegate.api.database_metrics import SHOWN
from linegate.cli.main import app
from linegate.config_options import describe
from linegate.domain.status import ERRORS, STATUSES
from linegate.logs import EVENTS
from linegate.metrics import Metrics

__all__ = ["main", "pages", "written"]

_FOLDER = Path(__file__).resolve().parent / "reference"
_END = "<!-- end -->"


def options() -> str:
    """Every option of the configuration."""
    rows = [
        (f"`{o['option']}`", f"`{o['variable']}`", _code(o["default"]), o["unit"], o["meaning"])
        for o in describe()
    ]
    return _table(("Option", "Variable", "Default", "Unit", "Meaning"), rows)


def statuses() -> str:
    """Every public status."""
    rows = [
        (str(s.id), f"`{s.name}`", f"{s.group_id} `{s.group_name}`", s.description)
        for s in _values(STATUSES)
    ]
    return _table(("Id", "Name", "Group", "Meaning"), rows)


def errors() -> str:
    """Every public error."""
    rows = [
        (
            str(e.id),
            f"`{e.name}`",
            f"{e.group_id} `{e.group_name}`",
            "yes" if e.permanent else "no",
            e.description,
        )
        for e in _values(ERRORS)
    ]
    return _table(("Id", "Name", "Group", "Permanent", "Meaning"), rows)


def routes() -> str:
    """Every path of the API, with the first line of what its handler says of itself."""
    rows = []
    for route in create_app(_blank(Routes)).routes:
        path = str(getattr(route, "path", ""))
        for method, handler in _by_method(route):
            said = re.sub(r"^[A-Z]+( /\S+)?: ", "", (handler.__doc__ or "").partition("\n")[0])
            rows.append((method, f"`{path}`", said))
    return _table(("Method", "Path", "Does"), rows)


def _blank(kind: Any) -> Any:
    """Handlers by their groups, only asked for their names: nothing has to be opened for that."""
    if kind.__module__ != Routes.__module__:
        return kind.__new__(kind)
    return kind(**{part.name: _blank(part.type) for part in fields(kind)})


def _by_method(route: Any) -> list[tuple[str, Any]]:
    """What answers each method: one handler, or those that api/app.py put behind one path."""
    several = inspect.getclosurevars(route.endpoint).nonlocals.get("by_method")
    if several is not None:
        return sorted(several.items(), reverse=True)
    return [(method, route.endpoint) for method in sorted(set(route.methods) - {"HEAD"})]


def events() -> str:
    """Every line that can be logged, but those of libraries."""
    rows = [
        (f"`{name}`", e.level, ", ".join(f"`{key}`" for key in e.keys), e.meaning)
        for name, e in sorted(EVENTS.items())
    ]
    return _table(("Event", "Level", "Keys", "Means"), rows)


def metrics() -> str:
    """Every metric that a process counts."""
    rows = [
        (f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels), meaning)
        for name, kind, labels, meaning in counted()
    ]
    return _table(("Metric", "Kind", "Labels", "Means"), rows)


def counted() -> list[tuple[str, str, tuple[str, ...], str]]:
    """Name, kind, labels and meaning of what is declared in metrics.py."""
    declared: list[Any] = [m for m in vars(Metrics(CollectorRegistry())).values() if _is_metric(m)]
    return sorted(
        (
            m._name + ("_total" if m._type == "counter" else ""),
            m._type,
            m._labelnames,
            m._documentation,
        )
        for m in declared
    )


def _is_metric(value: object) -> bool:
    return hasattr(value, "_documentation")


def of_database() -> str:
    """Every metric that is read from the database."""
    rows = [
        (f"`{name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.meaning)
        for name, m in sorted(SHOWN.items())
    ]
    return _table(("Metric", "Kind", "Labels", "Means"), rows)


def commands() -> str:
    """Every command with its options."""
    root = typer.main.get_command(app)
    return "\n\n".join(_command(name, each) for name, each in _leaves("linegate", root))


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for word, child in children.items():
        if not child.hidden:
            yield from _leaves(f"{name} {word}", child)


def _command(name: str, command: Any) -> str:
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    title = " ".join([name, *(str(each.name).upper() for each in arguments)])
    text = " ".join((command.help or "").split())
    rows = [_option(each) for each in shown if each not in arguments and each.name != "help"]
    table = _table(("Option", "Meaning"), rows) if rows else ""
    return "\n\n".join(part for part in (f"### `{title}`", text, table) if part)


def _option(option: Any) -> tuple[str, str]:
    flags = ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
    meaning = " ".join((option.help or "").split())
    if option.envvar:
        meaning += f" Variable: `{option.envvar}`."
    default = option.default
    if isinstance(default, str | int | float) and not isinstance(default, bool) and default != "":
        meaning += f" Default: `{default}`."
    if option.required:
        meaning += " Needed."
    if option.multiple:
        meaning += " May be repeated."
    return flags, meaning.strip()


_TABLES: dict[str, Callable[[], str]] = {
    "options": options,
    "statuses": statuses,
    "errors": errors,
    "routes": routes,
    "commands": commands,
    "events": events,
    "metrics": metrics,
    "database metrics": of_database,
}


def pages() -> list[Path]:
    """The pages that have generated tables."""
    return sorted(p for p in _FOLDER.glob("*.md") if "<!-- generated: " in p.read_text("utf-8"))


def written(text: str) -> str:
    """A page's text with its tables as the code has them now."""
    first, *parts = text.split("<!-- generated: ")
    done = [first]
    for part in parts:
        name = part.partition(" -->")[0]
        rest = part.partition(_END)[2]
        done.append(f"<!-- generated: {name} -->\n\n{_TABLES[name]()}\n\n{_END}{rest}")
    return "".join(done)


def main() -> int:
    """Write every page anew."""
    for page in pages():
        text = page.read_text("utf-8")
        if written(text) != text:
            page.write_text(written(text), "utf-8")
            sys.stdout.write(f"wrote {page.name}\n")
    return 0


def _values(table: Any) -> Iterable[Any]:
    return table.values() if isinstance(table, dict) else table


def _code(text: str) -> str:
    return f"`{text}`" if text else "none"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    sys.exit(main())
