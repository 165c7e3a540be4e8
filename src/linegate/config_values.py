"""What an option of the configuration is, and how a value is read from what was given.

Values only: this file reads nothing.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

__all__ = ["Option", "parsed"]

_SPANS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    kind:    text, path, url, count, port, span (of time), size (of bytes), share (0 to 1), flag or
             choice.
    default: as it would be written in the file; None: not set.
    most:    for counts: the largest value; least: the smallest. choices: for a choice.
    """

    name: str
    kind: str
    default: str | int | bool | None
    unit: str
    meaning: str
    is_secret: bool = False
    least: int = 0
    most: int = 2**31 - 1
    choices: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "LINEGATE_" + self.name.upper()

    def default_now(self) -> str | int | bool | None:
        """The default for the user who runs us: root's home is a system folder."""
        if self.name == "home" and os.geteuid() == 0:
            return "/var/lib/linegate"
        return self.default


def parsed(option: Option, given: object) -> object:
    """The value as the program uses it. Raises: ValueError saying what it must be."""
    if given is None or given == "":
        if option.default is None:
            return None
        raise ValueError("must not be empty")
    return _READERS[option.kind](option, given)


def _text(option: Option, given: object) -> str:
    if not isinstance(given, str):
        raise ValueError(f"must be text, not {given!r}")
    return given


def _path(option: Option, given: object) -> Path:
    return Path(_text(option, given)).expanduser().absolute()


def _count(option: Option, given: object) -> int:
    text = str(given).strip()
    if isinstance(given, bool | float) or not re.fullmatch(r"\d{1,12}", text):
        raise ValueError(f"must be a whole number, not {given!r}")
    if not option.least <= int(text) <= option.most:
        raise ValueError(f"must be from {option.least} to {option.most}, not {text}")
    return int(text)


def _span(option: Option, given: object) -> timedelta:
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)?", str(given).strip())
    if isinstance(given, bool) or match is None:
        raise ValueError(f"must be a time such as 10s or 2m, not {given!r}")
    return timedelta(seconds=float(match[1]) * _SPANS[match[2] or "s"])


def _size(option: Option, given: object) -> int:
    match = re.fullmatch(r"(\d{1,12})\s*(B|KB|MB|GB)?", str(given).strip().upper())
    if isinstance(given, bool) or match is None:
        raise ValueError(f"must be a size such as 10MB, not {given!r}")
    size = int(match[1]) * _SIZES[match[2] or ""]
    if size < option.least:
        raise ValueError(f"must be at least {option.least} bytes")
    return size


def _share(option: Option, given: object) -> float:
    text = str(given).strip()
    if not re.fullmatch(r"(0(\.\d{1,9})?|1(\.0{1,9})?)", text):
        raise ValueError(f"must be from 0 to 1, such as 0.05, not {given!r}")
    return float(text)


def _flag(option: Option, given: object) -> bool:
    text = str(given).strip().lower()
    if text not in _TRUE + _FALSE:
        raise ValueError(f"must be 1 or 0, not {given!r}")
    return text in _TRUE


def _choice(option: Option, given: object) -> str:
    text = str(given).strip().lower()
    if text not in option.choices:
        raise ValueError(f"must be one of {', '.join(option.choices)}, not {given!r}")
    return text


def _url(option: Option, given: object) -> str:
    text = _text(option, given)
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text):
        raise ValueError(f"must be an http or https URL, not {given!r}")
    return text.rstrip("/")


_READERS: dict[str, Callable[[Option, object], object]] = {
    "text": _text,
    "path": _path,
    "url": _url,
    "count": _count,
    "port": _count,
    "span": _span,
    "size": _size,
    "share": _share,
    "flag": _flag,
    "choice": _choice,
}
