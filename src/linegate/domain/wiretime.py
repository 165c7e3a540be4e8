"""Instants as the API writes them: `sendAt` comes in, report dates go out."""

import re
from datetime import UTC, datetime, timedelta, timezone

__all__ = ["format_instant", "parse_instant"]

_INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,9}))?(?:(Z)|([+-])([0-9]{2}):?([0-9]{2}))"
)


def parse_instant(text: str) -> datetime | None:
    """The instant that `yyyy-MM-dd'T'HH:mm:ss[.fraction]offset` names; None if it names none.

    text:    1-9 fraction digits or none (what is finer than a microsecond is cut off); the
             offset is required: `Z`, `+0100` or `+01:00`.
    Returns: aware, UTC.
    Source:  docs/reference/content.md (`sendAt`): the published format is `SSSZ`, the
             documentation page writes a colon in the offset.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    fraction, sign, hours, minutes = match[7], match[9], match[10], match[11]
    if sign and (int(hours) > 23 or int(minutes) > 59):
        return None
    offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
    try:
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        microsecond = int((fraction or "0").ljust(6, "0")[:6])
        zone = timezone(-offset if sign == "-" else offset)
        return datetime(
            year, month, day, hour, minute, second, microsecond, tzinfo=zone
        ).astimezone(UTC)
    except (ValueError, OverflowError):  # 30 February, 24:00, a year outside 1-9999
        return None


def format_instant(at: datetime) -> str:
    """An instant as reports show it: `2023-09-26T10:52:15.457+0000`, always in UTC.

    at:     aware; a naive one is a ValueError, since its meaning would depend on the machine.
    Source: docs/reference/content.md (delivery report, `sentAt` and `doneAt`).
    """
    if at.tzinfo is None:
        raise ValueError("a naive datetime names no instant")
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{utc.isoformat(timespec='milliseconds')[:23]}+0000"
