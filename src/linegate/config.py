"""The settings of a process: a TOML file, then the environment, then the command line.

Only this file reads the environment. Whatever is unknown, malformed or contradictory stops the
start, and all of it is said at once, with the line or the variable. The table of options is in
`config_options.py`.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from linegate.config_options import OPTIONS
from linegate.config_values import Option, parsed

__all__ = ["ConfigError", "Settings", "load"]

_PREFIX = "LINEGATE_"
_FILE_VARIABLE = "LINEGATE_CONFIG"
# Kubernetes sets such variables for every service; one that is called linegate is not our option.
_FOREIGN = re.compile(r"LINEGATE_(SERVICE_(HOST|PORT.*)|PORT_\d+_(TCP|UDP).*)")
# Read by one command alone, for secrets that a process list must not show.
_OF_COMMANDS = frozenset(
    {
        "LINEGATE_CHANNEL_SECRET",
        "LINEGATE_ACCESS_TOKEN",
        "LINEGATE_SMS_URL",
        "LINEGATE_API_KEY",
        "LINEGATE_URL",
    }
)
_MOST_LEASE = timedelta(seconds=15)
_MOST_IN_FLIGHT = 256
_OF_UP = 3  # its pool, and one to migrate


class ConfigError(Exception):
    """The configuration is wrong; `problems` has a line for each thing to change."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the configuration is wrong:\n  " + "\n  ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every option of `config_options.OPTIONS`, by the same name; see there for the meaning."""

    home: Path
    database_url: str | None = field(repr=False)
    database_connections: int
    secret_key: str | None = field(repr=False)
    host: str
    port: int
    workers: int
    body_limit: int
    destinations_limit: int
    line_api_url: str
    public_url: str | None
    line_timeout: timedelta
    line_connections: int
    line_template_catalogue: Path | None
    in_flight: int
    lease_for: timedelta
    resend_unknown_after: timedelta
    resend_unknown_limit: int
    sms_resend_unknown: int
    webhook_allow_private: bool
    retention_days: int
    waiting_limit: int
    disk_reserve: int
    metrics_host: str
    metrics_port: int
    log_level: str
    log_format: str
    log_attempts: int
    trace_endpoint: str | None
    trace_share: float
    runtime_folder: Path | None = None  # XDG_RUNTIME_DIR: where a short socket path may be made
    config_file: Path | None = field(default=None, compare=False)  # for children to read too

    @property
    def is_embedded(self) -> bool:
        """Whether the database is the one below `home`."""
        return self.database_url is None

    @property
    def connections_of_all(self) -> int:
        """Most connections that `linegate up` opens: its own, the API's and the workers'."""
        return _OF_UP + self.database_connections * (1 + self.workers)

    def effective(self) -> dict[str, str]:
        """Option -> value as text, secrets masked: for `doctor`."""
        values = {}
        for option in OPTIONS:
            value = getattr(self, option.name)
            values[option.name] = "(set)" if option.is_secret and value else str(value)
        return values


def load(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """The settings of this process.

    file:        the TOML file; None: the one that LINEGATE_CONFIG names, if it is set.
    environment: the process's own by default.
    overrides:   option -> value from the command line; None means not given. They win.
    Raises:      ConfigError with every problem found.
    """
    environment = os.environ if environment is None else environment
    if file is None and environment.get(_FILE_VARIABLE):
        file = Path(environment[_FILE_VARIABLE])
    problems: list[str] = []
    raw = {**_from_file(file, problems), **_from_environment(environment, problems)}
    for name, value in (overrides or {}).items():
        if value is not None:
            raw[name] = (f"--{name.replace('_', '-')}", value)
    values = _parsed(raw, problems)
    if not problems:
        problems += _contradictions(values)
    if problems:
        raise ConfigError(problems)
    runtime = environment.get("XDG_RUNTIME_DIR")
    return Settings(
        **values,
        runtime_folder=Path(runtime) if runtime else None,
        config_file=file.absolute() if file else None,
    )


# Option name -> (where it was given, for messages; the value as given).
Given = dict[str, tuple[str, object]]


def _from_file(file: Path | None, problems: list[str]) -> Given:
    if file is None:
        return {}
    try:
        text = file.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{file}: {error}")
        return {}
    given: Given = {}
    for name, value in table.items():
        where = f"{file}, line {_line_of(name, text)}"
        if name in _BY_NAME:
            given[name] = (where, value)
        else:
            problems.append(f"{where}: there is no option {name}{_nearest(name)}")
    return given


def _line_of(name: str, text: str) -> int:
    key = re.compile(rf"""[ \t]*\[*[ \t]*["']?{re.escape(name)}\b""")
    lines = text.splitlines()
    return next((number for number, line in enumerate(lines, start=1) if key.match(line)), 1)


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> Given:
    given: Given = {}
    for variable in sorted(environment):
        if not variable.startswith(_PREFIX) or variable == _FILE_VARIABLE:
            continue
        name = variable.removeprefix(_PREFIX).lower()
        of_file = _BY_NAME.get(name.removesuffix("_file"))
        if name in _BY_NAME:
            given[name] = (variable, environment[variable])
        elif name.endswith("_file") and of_file is not None and of_file.is_secret:
            if variable.removesuffix("_FILE") in environment:
                problems.append(f"{variable}: {variable.removesuffix('_FILE')} is set too")
            else:
                _read_secret(given, of_file.name, variable, environment[variable], problems)
        elif variable not in _OF_COMMANDS and not _FOREIGN.fullmatch(variable):
            problems.append(f"{variable}: there is no such option{_nearest(name)}")
    return given


def _read_secret(given: Given, name: str, variable: str, path: str, problems: list[str]) -> None:
    try:
        given[name] = (variable, Path(path).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{variable}: {error}")


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, list(_BY_NAME), n=1)
    return f"; do you mean {near[0]}?" if near else ""


def _parsed(raw: Given, problems: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for option in OPTIONS:
        where, given = raw.get(option.name, ("default", option.default_now()))
        try:
            values[option.name] = parsed(option, given)
        except ValueError as error:
            hint = "; Kubernetes sets it: enableServiceLinks: false" if _is_link(given) else ""
            problems.append(f"{where}: {option.name} {error}{hint}")
    return values


def _is_link(given: object) -> bool:
    return isinstance(given, str) and given.startswith("tcp://")


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    found = []
    if values["database_url"] and not values["secret_key"]:
        found.append("secret_key must be given with database_url: every machine needs the same one")
    if values["lease_for"] > _MOST_LEASE:
        found.append("lease_for may be at most 15s: a dead worker's messages wait that long")
    if values["line_timeout"] >= values["lease_for"]:
        found.append("line_timeout must be shorter than lease_for")
    if values["trace_endpoint"] and not _has_otel():
        found.append("trace_endpoint needs more than is installed: pip install 'linegate[otel]'")
    if values["in_flight"] > _MOST_IN_FLIGHT:
        found.append(
            f"in_flight may be at most {_MOST_IN_FLIGHT}: a crash leaves that many unknown"
        )
    return found


def _has_otel() -> bool:
    """Whether the extra is installed."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:  # of one of its parents
        return False


_BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}
assert set(_BY_NAME) == {each.name for each in fields(Settings)} - {
    "runtime_folder",
    "config_file",
}
