"""The structure errors of a request, by the JSON Schema that its types yield.

The schema that msgspec derives describes alternatives as `anyOf`, and a
validator reports an error below one at the alternative as a whole. So they are
rewritten: null goes (callers drop nulls), and a tagged union becomes "if `type`
is this, then that", which leads the validator to the very property.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import msgspec

from linegate.api.schemas import LineRequest

__all__ = ["Step", "StructureError", "errors_in", "path_text"]

Step = str | int
"""One step of a path: a property's name or an element's index."""

# A content without a type is explained as the one that the published API knows.
_TYPE_IF_ABSENT = "LINE_NOTIFICATION"


@dataclass(frozen=True, slots=True)
class StructureError:
    """One value that is not as the types want it.

    steps:    where; for a missing property, its own place.
    absent:   the property is missing.
    """

    steps: tuple[Step, ...]
    words: str
    absent: bool

    @property
    def path(self) -> str:
        """The place as clients read it; empty for the request as a whole."""
        return path_text(self.steps)


def path_text(steps: Iterable[Step]) -> str:
    """`messages[0].destinations[2].to` for the steps to it."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


def errors_in(value: Any, definition: str, steps: tuple[Step, ...]) -> list[StructureError]:
    """All structural errors of one piece of a request.

    value:      JSON as Python values, as `explain` has cleaned them; small, since a validator
                collects every error before it tells the first.
    definition: the piece's type by name: LineRequest, LineMessage, Destination or Content.
    steps:      where the piece stands in the request.
    """
    return [_in_words(error, steps) for error in _VALIDATORS[definition].iter_errors(value)]


def _in_words(error: jsonschema_rs.ValidationError, at: tuple[Step, ...]) -> StructureError:
    kind: Any = error.kind
    steps = (*at, *error.instance_path)
    if kind.name == "required":
        return StructureError((*steps, kind.property), "is required", absent=True)
    return StructureError(steps, _words(kind), absent=False)


def _words(kind: Any) -> str:
    """What is expected, in plain words, for one kind of error."""
    if kind.name == "type":
        return "must be " + _TYPES.get(kind.types[0], "of another type")
    if kind.name == "enum":
        return "must be one of " + ", ".join(kind.options)
    if kind.name == "pattern":
        return "must be " + _PATTERNS[kind.pattern]
    if kind.name in _LIMITS:
        return _LIMITS[kind.name].format(kind.limit)
    return f"must be as the API describes it ({kind.name})"


_LIMITS = {
    "minLength": "must have at least {} character(s)",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} element(s)",
    "maxItems": "must have at most {} elements",
    "maxProperties": "must have at most {} properties",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
}
_TYPES = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}


def _rewritten(schema: Any, patterns: dict[str, str]) -> Any:
    """A schema whose errors are reported where they are; `patterns` gets their descriptions."""
    if isinstance(schema, list):
        return [_rewritten(item, patterns) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "pattern" in schema:
        patterns[schema["pattern"]] = schema["description"]
    if "anyOf" in schema:
        return _alternatives(schema, patterns)
    return {name: _rewritten(inner, patterns) for name, inner in schema.items()}


def _alternatives(schema: dict[str, Any], patterns: dict[str, str]) -> Any:
    """An `anyOf` without null, and by its members' tag if they have one."""
    options = [option for option in schema["anyOf"] if option != {"type": "null"}]
    if "discriminator" in schema:
        return _by_tag(schema["discriminator"]["mapping"])
    if len(options) == 1:
        return _rewritten(options[0], patterns)
    # The one mixed property there is: a button's style, words or an object that is ignored.
    words = [option for option in options if "enum" in option]
    return {"if": {"type": "object"}, "else": _rewritten(words[0], patterns)}


def _by_tag(mapping: dict[str, str]) -> dict[str, Any]:
    """One schema per tag, chosen by `type`; without a type, the usual one if there is one."""
    branches = [
        {
            "if": {"required": ["type"], "properties": {"type": {"const": tag}}},
            "then": {"$ref": reference},
        }
        for tag, reference in mapping.items()
    ]
    if _TYPE_IF_ABSENT in mapping:
        usual = {"$ref": mapping[_TYPE_IF_ABSENT]}
        branches.append({"if": {"required": ["type"]}, "else": usual})
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": list(mapping)}},
        "allOf": branches,
    }


def _without_required_tags(schema: dict[str, Any]) -> dict[str, Any]:
    """Structs by themselves need no `type`: only where it decides, the union asks for it."""
    for struct in schema["$defs"].values():
        struct["required"] = [name for name in struct.get("required", ()) if name != "type"]
    return schema


def _validators(patterns: dict[str, str]) -> dict[str, jsonschema_rs.Draft202012Validator]:
    """One validator per kind of piece; `patterns` gets the patterns' descriptions."""
    schema = _without_required_tags(msgspec.json.schema(LineRequest))
    schema["$defs"]["Content"] = schema["$defs"]["LineMessage"]["properties"]["content"]
    definitions = _rewritten(schema["$defs"], patterns)
    return {
        name: jsonschema_rs.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions})
        for name in ("LineRequest", "LineMessage", "Destination", "Content")
    }


_PATTERNS: dict[str, str] = {}
_VALIDATORS = _validators(_PATTERNS)
