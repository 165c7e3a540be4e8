"""What the gateway accepts, the simulator takes: two readings of LINE's rules, written apart."""

import json
from typing import Any

import msgspec
from hypothesis import given, settings

from linegate.line.bubble import LineNotification
from linegate.line.flex import render_bubble
from linegate.line.flex_rules import bubble_violations
from linegate.simulator.verdicts import Verdicts
from support.bubbles import a_content, a_full_bubble, alt_texts, bubbles


def _rendered(content: Any) -> bytes:
    notification = msgspec.json.decode(json.dumps(content), type=LineNotification)
    assert bubble_violations(notification.contents, "content") == []
    return render_bubble(notification)


@settings(max_examples=150, deadline=None)
@given(bubble=bubbles, alt_text=alt_texts)
def test_every_bubble_the_gateway_accepts_is_taken(bubble: Any, alt_text: str) -> None:
    content = {"type": "LINE_NOTIFICATION", "altText": alt_text, "contents": bubble}
    assert Verdicts().on(b"[" + _rendered(content) + b"]").problem is None


def test_a_bubble_with_everything_is_taken() -> None:
    content = a_content(a_full_bubble())
    assert Verdicts().on(b"[" + _rendered(content) + b"]").problem is None
