"""The delivery tag: how an event from LINE finds the message it speaks of.

LINE's delivery event holds no id but the tag we sent, so the tag is the
message's primary key and the attempt's number: no lookup table exists. This
file does not know what a message is beyond its number.

Source: LINE notification messages reference, `X-Line-Delivery-Tag` (16 to 100
characters), and the delivery completion event (`delivery.data`).
"""

__all__ = ["make_tag", "read_tag"]

_PREFIX = "linegate-"
_LENGTH = 30
_ID_END = 25
_LARGEST_ID = (1 << 63) - 1
_MOST_ATTEMPTS = (1 << 15) - 1  # what the queue counts to: a rate limit can last for 48 h


def make_tag(message_id: int, attempt: int) -> str:
    """The tag of one attempt: `linegate-<16 hex id>-<4 hex attempt>`.

    message_id: 0 to 2**63 - 1.
    attempt:    1 to 32,767.
    Returns:    30 characters, lower case.
    Errors:     ValueError outside of these ranges: a longer tag could not be read again.
    """
    if not 0 <= message_id <= _LARGEST_ID:
        raise ValueError(f"message id {message_id} is not a 63-bit number")
    if not 1 <= attempt <= _MOST_ATTEMPTS:
        raise ValueError(f"attempt {attempt} is not in 1..{_MOST_ATTEMPTS}")
    return f"linegate-{message_id:016x}-{attempt:04x}"


def read_tag(tag: str) -> tuple[int, int] | None:
    """The message id and attempt that `make_tag` wrote; None for any other text.

    LINE also hands back tags of other software and, where no tag was sent, a
    hashed number, so anything may come. Only the exact form is ours.
    """
    if len(tag) != _LENGTH or not tag.startswith(_PREFIX):
        return None
    try:
        message_id, attempt = int(tag[9:_ID_END], 16), int(tag[_ID_END + 1 :], 16)
    except ValueError:
        return None
    if not (0 <= message_id <= _LARGEST_ID and 1 <= attempt <= _MOST_ATTEMPTS):
        return None
    # int() also reads signs, blanks, underscores and capitals: only the round trip is exact.
    return (message_id, attempt) if make_tag(message_id, attempt) == tag else None
