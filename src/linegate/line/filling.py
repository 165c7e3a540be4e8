"""A message with places for texts: split once, filled once per recipient.

A form is a rendered LINE message object in which `{{name}}` stands inside of some of its strings.
Those are the only braces in a row that it has, so it is split without being understood, and
filling it is joining bytes.
"""

import re
from collections.abc import Mapping

import msgspec

__all__ = ["Form", "escaped"]

_PLACE = re.compile(rb"\{\{([^{}\"]+)\}\}")
_ENCODER = msgspec.json.Encoder()
_VALUES = msgspec.json.Decoder(dict[str, msgspec.Raw])


def escaped(text: str) -> bytes:
    """A text as the inside of a JSON string, in which nothing looks like a placeholder."""
    inside = _ENCODER.encode(text)[1:-1]
    return inside.replace(b"{", b"\\u007b") if b"{{" in inside else inside


class Form:
    """One form, split at its placeholders.

    text: the form's JSON.
    """

    __slots__ = ("_parts", "_places", "names")

    def __init__(self, text: bytes) -> None:
        self._parts: list[bytes] = _PLACE.split(text)
        self._places = [(at, self._parts[at].decode()) for at in range(1, len(self._parts), 2)]
        self.names = frozenset(name for _, name in self._places)

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """The JSON with every placeholder replaced by its value, the inside of a JSON string.

        Raises: KeyError for a placeholder without a value.
        """
        parts = self._parts.copy()
        for at, name in self._places:
            parts[at] = values[name]
        return b"".join(parts)

    def fill_stored(self, values: str) -> bytes:
        """The same from a JSON object of texts, as it is stored with a message."""
        texts = _VALUES.decode(values)
        return self.fill({name: bytes(text)[1:-1] for name, text in texts.items()})

    def with_some(self, values: Mapping[str, bytes]) -> bytes:
        """The form with these placeholders filled and the others left."""
        left = {name: b"{{%b}}" % name.encode() for name in self.names - values.keys()}
        return self.fill({**left, **values})
