"""LINE's own published description of a Flex message, as a JSON Schema that refuses strangers."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

PUBLISHED = Path(__file__).parents[3] / "shared" / "line" / "messaging-api.openapi.yml"

_TAGGED = {"Message", "FlexContainer", "FlexComponent", "Action"}


def line_message_validator() -> jsonschema_rs.Draft202012Validator:
    """Checks a message object; skips the test where the published files are not at hand."""
    if not PUBLISHED.exists():
        pytest.skip("LINE's published OpenAPI file is not beside the repository")
    schemas = yaml.safe_load(PUBLISHED.read_text())["components"]["schemas"]
    definitions = {name: _closed(schemas, name) for name in schemas}
    for name in _TAGGED:
        definitions[name] = _by_type(schemas[name]["discriminator"]["mapping"])
    return jsonschema_rs.Draft202012Validator(
        {"$ref": "#/components/schemas/Message", "components": {"schemas": definitions}}
    )


def _closed(schemas: dict[str, Any], name: str) -> dict[str, Any]:
    """One object with the properties of all it is made of, and no others."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    for part in _parts(schemas, name):
        properties |= part.get("properties", {})
        required += part.get("required", [])
    if not properties:
        plain: dict[str, Any] = schemas[name]
        return plain
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(set(required)),
        "additionalProperties": False,
    }


def _parts(schemas: dict[str, Any], name: str) -> list[dict[str, Any]]:
    schema = schemas[name]
    parts = [schema]
    for part in schema.get("allOf", ()):
        if "$ref" in part:
            parts += _parts(schemas, part["$ref"].rsplit("/", 1)[1])
        else:
            parts.append(part)
    return parts


def _by_type(mapping: dict[str, str]) -> dict[str, Any]:
    branches = [
        {"if": {"properties": {"type": {"const": tag}}}, "then": {"$ref": reference}}
        for tag, reference in mapping.items()
    ]
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": list(mapping)}},
        "allOf": branches,
    }
