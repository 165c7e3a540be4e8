from importlib import resources
from pathlib import Path

import msgspec
import pytest

from linegate.simulator.schema.derive import derive

PUBLISHED = Path(__file__).parents[3] / "shared" / "line" / "messaging-api.openapi.yml"
KNOWN_TEMPLATES = PUBLISHED.with_name("templates-known.json")


def _shipped(name: str) -> object:
    folder = resources.files("linegate.simulator") / "schema"
    return msgspec.json.decode((folder / name).read_bytes())


@pytest.mark.skipif(not PUBLISHED.exists(), reason="LINE's OpenAPI file is not at hand")
def test_the_shipped_schema_is_what_derive_makes_of_the_published_file() -> None:
    import yaml

    openapi = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))
    assert derive(openapi) == _shipped("line-messages.json")


@pytest.mark.skipif(not KNOWN_TEMPLATES.exists(), reason="the list of keys is not at hand")
def test_the_shipped_keys_are_the_known_ones() -> None:
    known = msgspec.json.decode(KNOWN_TEMPLATES.read_bytes())
    shipped = {
        country: {part: [row["key"] for row in known[country][part]] for part in parts}
        for country in ("japan", "thailand", "taiwan")
        for parts in [("templates", "items", "buttons")]
    }
    assert shipped == _shipped("templates.json")


def test_a_discriminator_becomes_one_branch_for_each_type() -> None:
    openapi = {
        "components": {
            "schemas": {
                "Message": {
                    "required": ["type"],
                    "properties": {"type": {"type": "string"}},
                    "discriminator": {
                        "propertyName": "type",
                        "mapping": {"text": "#/components/schemas/TextMessage"},
                    },
                },
                "TextMessage": {
                    "required": ["text"],
                    "allOf": [
                        {"$ref": "#/components/schemas/Message"},
                        {"properties": {"text": {"type": "string", "description": "words"}}},
                    ],
                },
            }
        }
    }
    definitions = derive(openapi)["$defs"]
    assert definitions["Message"]["properties"]["type"] == {"enum": ["text"]}
    assert definitions["TextMessage"] == {
        "type": "object",
        "additionalProperties": False,
        "required": ["text", "type"],
        "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
    }
