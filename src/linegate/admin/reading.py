"""What an operator gives, read: JSON as the API names things, TOML as files do.

Everything that is wrong is told with its place, in the spelling of what was given.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from linegate.admin.desired import Document, DocumentError
from linegate.domain.violation import Violation
from linegate.shortcomings import shortcomings

__all__ = ["camel", "read", "read_toml", "snake"]

Asked = TypeVar("Asked", bound=Struct)

_AS_IT_IS = "contents"  # a bubble: its names are not ours


def read(tree: Any, shape: type[Asked]) -> Asked:
    """Decoded JSON as a thing of this shape. Raises: DocumentError with all that is wrong."""
    try:
        return msgspec.convert(tree, shape)
    except msgspec.ValidationError as error:
        raise DocumentError("", tuple(shortcomings(tree, shape))) from error


def read_toml(text: str) -> Document:
    """A declaration in TOML. Raises: DocumentError."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DocumentError(str(error)) from error
    try:
        return read(_camels(tree), Document)
    except DocumentError as error:
        told = tuple(Violation(snake(each.property), each.violation) for each in error.violations)
        raise DocumentError("", told) from error


def camel(name: str) -> str:
    """`channelId` for `channel_id`."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def snake(name: str) -> str:
    """`channel_id` for `channelId`; also of each name in a path."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), name)


def _camels(tree: Any) -> Any:
    if isinstance(tree, list):
        return [_camels(each) for each in tree]
    if not isinstance(tree, Mapping):
        return tree
    return {
        camel(name): value if name == _AS_IT_IS else _camels(value) for name, value in tree.items()
    }
