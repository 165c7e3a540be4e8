"""What is wrong with small trees of values, all of it at once."""

from typing import Any

import pytest

from linegate.admin.desired import Document, KeySettings, Sender
from linegate.api.schemas_subscriptions import ProfileBody, SubscriptionBody
from linegate.domain.violation import Violation
from linegate.shortcomings import shortcomings

UNKNOWN = "is not known here"


@pytest.mark.parametrize(
    ("tree", "kind", "expected"),
    [
        (
            {"events": ["DELIVERY"], "profile": {}, "webhookUrl": "-", "enabled": 1},
            KeySettings,
            {
                "events": UNKNOWN,
                "profile": UNKNOWN,
                "webhookUrl": UNKNOWN,
                "enabled": "must be true or false",
            },
        ),
        (
            {"accounts": [{"name": "a", "profile": 1, "senders": [{"name": "s", "events": 2}]}]},
            Document,
            {"accounts[0].profile": UNKNOWN, "accounts[0].senders[0].events": UNKNOWN},
        ),
        (
            {"name": "s", "lineCountry": "XX", "countries": ["jp"]},
            Sender,
            {
                "lineCountry": "must be one of JP, TH, TW",
                "countries[0]": "must be two capital letters, such as JP",
            },
        ),
        (
            {"events": 1},
            SubscriptionBody,
            {"events": "must be an array", "profile": "must be given"},
        ),
        (
            {"webhook": {"notifyUrl": ""}, "readTimeout": "1"},
            ProfileBody,
            {
                "webhook.notifyUrl": "must have at least 1 characters or elements",
                "readTimeout": "must be a whole number or null",
            },
        ),
        ([], KeySettings, {"body": "must be an object"}),
        ({}, KeySettings, {}),
    ],
)
def test_everything_is_told_with_its_place_and_ends(
    tree: Any, kind: type, expected: dict[str, str]
) -> None:
    found = shortcomings(tree, kind)
    assert sorted(found, key=str) == sorted(
        (Violation(place, words) for place, words in expected.items()), key=str
    )
