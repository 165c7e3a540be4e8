"""LINE's own template keys: what is known, and what a content names that is not."""

from pathlib import Path

import msgspec
import pytest

from linegate.line.catalogue import CatalogueError, load_catalogue, shipped_catalogue
from linegate.line.template import LineNotificationTemplate


def a_content(**changed: object) -> LineNotificationTemplate:
    content = {
        "type": "LINE_NOTIFICATION_TEMPLATE",
        "templateKey": "shipment_completed_ja",
        "body": {
            "emphasizedItem": {"itemKey": "date_002_ja", "content": "1"},
            "items": [{"itemKey": "name_010_ja", "content": "1"}],
            "buttons": [{"buttonKey": "check_shop_location", "url": "https://example.com"}],
        },
        **changed,
    }
    return msgspec.convert(content, LineNotificationTemplate)


def unknown(content: LineNotificationTemplate, country: str | None = None) -> list[str]:
    found = shipped_catalogue().unknown_keys(content, country, "content")
    return [violation.property for violation in found]


def test_known_keys_are_no_matter() -> None:
    assert unknown(a_content()) == []
    assert unknown(a_content(), "JP") == []
    assert unknown(a_content(body=None), "JP") == []


def test_each_unknown_key_is_named() -> None:
    body = {
        "emphasizedItem": {"itemKey": "x", "content": "1"},
        "items": [{"itemKey": "name_010_ja", "content": "1"}, {"itemKey": "y", "content": "1"}],
        "buttons": [{"buttonKey": "z", "url": "https://example.com"}],
    }
    assert unknown(a_content(templateKey="w", body=body)) == [
        "content.templateKey",
        "content.body.emphasizedItem.itemKey",
        "content.body.items[1].itemKey",
        "content.body.buttons[0].buttonKey",
    ]


def test_keys_of_another_country_are_unknown() -> None:
    assert len(unknown(a_content(), "TH")) == 4


def test_a_file_replaces_what_is_known(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text('{"TW": {"templates": {"a_tw": "A"}}}')
    catalogue = load_catalogue(file)
    content = LineNotificationTemplate(template_key="a_tw")
    assert catalogue.unknown_keys(content, "TW", "content") == []
    assert len(catalogue.unknown_keys(content, "JP", "content")) == 1


def test_a_file_that_is_no_catalogue_says_why(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_catalogue(tmp_path / "missing.json")
