"""Properties of a request that the API does not know: accepted, and told by the validate call.

The JSON Schema that the request's types yield is walked along the request.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from linegate.api.schemas import LineRequest
from linegate.domain.violation import Violation

__all__ = ["unknown_properties"]

_UNKNOWN = "Unknown property"  # Source: published sample of the validate answer (FACTS B2.4)
_LONGEST_NAME = 100
_USUAL = "LINE_NOTIFICATION"
_WORDS: dict[str, Any] = {}
_SCHEMA = msgspec.json.schema(LineRequest)


def unknown_properties(tree: Any, limit: int) -> list[Violation]:
    """The first `limit` unknown properties, in the request's order.

    tree: the request's JSON as Python values, of whatever shape.
    """
    return list(islice(_walk(tree, _SCHEMA, ""), limit))


def _walk(value: Any, schema: dict[str, Any], path: str) -> Iterator[Violation]:
    schema = _resolved(value, schema)
    if isinstance(value, dict) and schema is _WORDS:
        yield Violation(path, "is ignored: LINE knows words here, no object")
    elif isinstance(value, list) and "items" in schema:
        for at, inner in enumerate(value):
            yield from _walk(inner, schema["items"], f"{path}[{at}]")
    elif isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        for name, inner in value.items():
            place = f"{path}.{name[:_LONGEST_NAME]}" if path else name[:_LONGEST_NAME]
            if name in known:
                yield from _walk(inner, known[name], place)
            else:
                yield Violation(place, _UNKNOWN)


def _resolved(value: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that means this value; one without properties where none or any does."""
    while True:
        if "$ref" in schema:
            schema = _SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
            continue
        options = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
        if not options:
            return schema
        if "discriminator" in schema:
            schema = _by_type(value, schema["discriminator"]["mapping"])
        elif len(options) == 1:
            schema = options[0]
        else:  # a button's style: words, or an object that is ignored
            return _WORDS


def _by_type(value: Any, mapping: dict[str, str]) -> dict[str, Any]:
    tag = value.get("type", _USUAL) if isinstance(value, dict) else None
    return {"$ref": mapping[tag]} if isinstance(tag, str) and tag in mapping else {}
