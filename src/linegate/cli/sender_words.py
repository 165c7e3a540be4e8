"""What an operator is told about a sender."""

from datetime import datetime

from linegate.postgres.senders import SenderListed

__all__ = ["hold_words", "shown_sender"]

_HOLDS = {
    "paused": "paused by the operator: 'linegate sender resume' lets it go on",
    "unauthorised": "LINE takes no token of it: its messages wait, and one tries from time to time;"
    " 'linegate sender check' tells more",
    "unreachable": "LINE does not answer: its messages wait, and one tries from time to time",
    "forbidden": "LINE refuses the account: it is not asked again until 'linegate sender resume'",
    "monthly_limit": "the month's messages are used up: LINE is not asked again this month, or"
    " until 'linegate sender resume'",
}

_DEAF = (
    "none of LINE's events reaches us, so that silence says nothing and no SMS follows it:"
    " 'linegate sender check' tells why, 'linegate sender resume' lets SMS follow all the same;"
)


def hold_words(sender: SenderListed) -> str:
    """Whether a sender is sending and heard of; if not, why, since when, and what ends it."""
    parts = [_HOLDS.get(sender.hold, sender.hold) if sender.hold else "sending"]
    if sender.hold_reason:
        parts.append(f"reason: {sender.hold_reason}")
    if sender.held_at is not None:
        parts.append(f"since {_time(sender.held_at)}")
    if sender.hold_until is not None:
        parts.append(f"next try {_time(sender.hold_until)}")
    if sender.deaf_at is not None:
        parts.append(f"{_DEAF} since {_time(sender.deaf_at)}")
    return "; ".join(parts)


def shown_sender(sender: SenderListed) -> dict[str, object]:
    """A sender for `--json`."""
    credentials = "channel secret"
    if sender.has_token:
        credentials = "long-lived token"
    elif sender.assertion_kid is not None:
        credentials = f"assertion key {sender.assertion_kid}"
    return {
        "id": sender.id,
        "sender": sender.name,
        "channelId": sender.channel_id,
        "credentials": credentials,
        "countries": sorted(sender.countries),
        "relayUrl": sender.relay_url,
        "templates": sender.templates,
        "strictTemplates": sender.strict_templates,
        "lineCountry": sender.line_country,
        "hold": sender.hold,
        "reason": sender.hold_reason,
        "since": _time(sender.held_at) if sender.held_at else None,
        "until": _time(sender.hold_until) if sender.hold_until else None,
        "deafSince": _time(sender.deaf_at) if sender.deaf_at else None,
        "words": hold_words(sender),
    }


def _time(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")
