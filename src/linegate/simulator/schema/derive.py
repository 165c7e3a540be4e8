"""Turn LINE's OpenAPI file into the JSON Schema that the simulator checks messages with.

Run once per edition of the file, from a checkout of github.com/line/line-openapi:
`python -m linegate.simulator.schema.derive messaging-api.yml > line-messages.json`
(needs PyYAML). OpenAPI says "one of these, by `type`" with a discriminator; JSON Schema
says it with if/then, so that an error deep in a box is reported where it is.

Source: github.com/line/line-openapi, messaging-api.yml (Apache-2.0, see NOTICE).
"""

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["derive"]

Schema = dict[str, Any]

_ROOTS = ("Message",)
_KEPT = frozenset(
    ("type", "enum", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum")
)
_REF = "#/components/schemas/"


def derive(openapi: Schema) -> Schema:
    """The schema of the array `messages`, with one definition per component.

    openapi: the parsed file. Unknown properties are refused at every level, as the real
    platform does; prose, examples and defaults are left out.
    """
    schemas: Schema = openapi["components"]["schemas"]
    definitions: Schema = {}
    waiting = list(_ROOTS)
    while waiting:
        name = waiting.pop()
        if name not in definitions:
            definitions[name] = _definition(name, schemas, waiting)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Derived from line-openapi by derive.py; see NOTICE. Do not edit.",
        "type": "array",
        "items": {"$ref": "#/$defs/Message"},
        "$defs": dict(sorted(definitions.items())),
    }


def _definition(name: str, schemas: Schema, waiting: list[str]) -> Schema:
    schema = schemas[name]
    if "discriminator" in schema:
        return _choice(schema["discriminator"]["mapping"], waiting)
    if schema.get("type", "object") != "object":
        return _value(schema, waiting)
    return _object(name, schema, schemas, waiting)


def _choice(mapping: dict[str, str], waiting: list[str]) -> Schema:
    branches = []
    for word, ref in mapping.items():
        chosen = {"properties": {"type": {"const": word}}, "required": ["type"]}
        branches.append({"if": chosen, "then": _reference(ref, waiting)})
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": list(mapping)}},
        "allOf": branches,
    }


def _object(name: str, schema: Schema, schemas: Schema, waiting: list[str]) -> Schema:
    properties: Schema = {}
    required: set[str] = set()
    for part in [*schema.get("allOf", []), schema]:
        if "$ref" in part:
            base = schemas[part["$ref"].removeprefix(_REF)]
            if "discriminator" in base:
                properties["type"] = {"const": _word_of(name, base)}
                required.add("type")
        else:
            base = part
        required.update(base.get("required", []))
        for key, value in base.get("properties", {}).items():
            properties.setdefault(key, _value(value, waiting))
    result: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        result["required"] = sorted(required)
    return result


def _word_of(name: str, base: Schema) -> str:
    mapping: dict[str, str] = base["discriminator"]["mapping"]
    return next(word for word, ref in mapping.items() if ref == _REF + name)


def _value(schema: Schema, waiting: list[str]) -> Schema:
    if "$ref" in schema:
        return _reference(schema["$ref"], waiting)
    result: Schema = {key: value for key, value in schema.items() if key in _KEPT}
    if "items" in schema:
        result["items"] = _value(schema["items"], waiting)
    if "properties" in schema:
        result["properties"] = {
            key: _value(value, waiting) for key, value in schema["properties"].items()
        }
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = _value(schema["additionalProperties"], waiting)
    return result


def _reference(ref: str, waiting: list[str]) -> Schema:
    name = ref.removeprefix(_REF)
    waiting.append(name)
    return {"$ref": f"#/$defs/{name}"}


def main() -> None:
    """Read the OpenAPI file named on the command line and print the derived schema."""
    import yaml  # noqa: PLC0415 - a development dependency, needed only here

    openapi = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
    json.dump(derive(openapi), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
