"""How settings are given on the command line: what is not named stays, `none` takes one away."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from linegate.admin.desired import DocumentError
from linegate.cli.console import CommandError

__all__ = ["CLEAR", "asked", "told_as_command", "whole"]

CLEAR = "`none` sets none"
_NONE = "none"

Change = TypeVar("Change", bound=msgspec.Struct)


def whole(text: str | None) -> int | str | None:
    """A number where the text is one; anything else as it is, for `asked` to judge."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else text


def asked(tree: Mapping[str, object], shape: type[Change]) -> Change:
    """The change of the options that were given. Raises: CommandError for a wrong value."""
    given = {
        name: None if value == _NONE else value for name, value in tree.items() if value is not None
    }
    if not given:
        raise CommandError("name at least one setting to change")
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        raise CommandError(str(error)) from error


@contextlib.contextmanager
def told_as_command() -> Iterator[None]:
    """What cannot be set is told as the command's failure."""
    try:
        yield
    except DocumentError as error:
        raise CommandError(str(error)) from error
