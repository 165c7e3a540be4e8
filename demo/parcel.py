"""The demo's bulk: 2,000 phone numbers, most of which get their message, and some that do not."""

import random
from dataclasses import dataclass

__all__ = ["CAST", "Role", "destinations", "request"]

# The simulator's three blocks of numbers; their last two digits choose what happens
# (docs/reference/sandbox.md).
_BLOCKS = ("8190100", "668100", "8869100")


@dataclass(frozen=True, slots=True)
class Role:
    """Numbers of one fate. digits: how they end; group: the status group it must come to."""

    digits: tuple[str, ...]
    numbers: int
    group: str
    means: str


CAST = (
    Role(tuple(f"{n:02d}" for n in range(80)), 1660, "DELIVERED", "delivered at once"),
    Role(("80",), 60, "DELIVERED", "delivered after 5 seconds"),
    Role(("83",), 40, "DELIVERED", "LINE tells of the delivery twice"),
    Role(("84",), 40, "DELIVERED", "LINE tells of the delivery before it answers"),
    Role(("85",), 40, "DELIVERED", "LINE tells of the delivery out of order"),
    Role(("86",), 20, "DELIVERED", "LINE takes 3 seconds to answer"),
    Role(("87",), 20, "DELIVERED", "LINE answers 500 and delivers all the same"),
    Role(("99",), 20, "DELIVERED", "LINE answers 500 and delivers when asked again"),
    Role(("90",), 60, "UNDELIVERABLE", "refused: no reachable LINE user"),
    Role(("82",), 40, "EXPIRED", "taken, but the user has blocked the account: silence"),
)
"""Who is sent to, 2,000 in all. Not one of them may be told about twice or never."""


def destinations() -> dict[str, Role]:
    """Number -> its role, well mixed and always the same."""
    found = {}
    for role in CAST:
        for index in range(role.numbers):
            place, turn = divmod(index, len(_BLOCKS) * len(role.digits))
            block, digits = _BLOCKS[turn % len(_BLOCKS)], role.digits[turn // len(_BLOCKS)]
            found[f"{block}{place:03d}{digits}"] = role
    mixed = list(found.items())
    random.Random(1).shuffle(mixed)  # noqa: S311 - guards nothing
    return dict(mixed)


def request(*, numbers: list[str], reports_to: str, valid_for: int) -> dict[str, object]:
    """The body of the one request. reports_to: a URL; valid_for: seconds."""
    text = {"type": "TEXT", "text": "Your parcel arrives today", "weight": "BOLD"}
    track = {"type": "URI", "label": "Track it", "uri": "https://example.com/track"}
    bubble = {
        "type": "BUBBLE",
        "body": {"type": "BOX", "layout": "VERTICAL", "contents": [text]},
        "footer": {
            "type": "BOX",
            "layout": "VERTICAL",
            "contents": [{"type": "BUTTON", "style": "PRIMARY", "action": track}],
        },
    }
    message = {
        "sender": "SANDBOX",
        "destinations": [{"to": number} for number in numbers],
        "content": {
            "type": "LINE_NOTIFICATION",
            "altText": "Your parcel arrives today",
            "contents": bubble,
        },
        "options": {
            "validityPeriod": {"amount": valid_for, "timeUnit": "SECONDS"},
            "campaignReferenceId": "demo",
        },
        "webhooks": {"delivery": {"url": reports_to}, "callbackData": "order 4711"},
    }
    return {"messages": [message]}
