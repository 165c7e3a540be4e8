"""Phone numbers as the client writes them, and the digest LINE asks for.

Numbers are E.164 digits without the plus sign everywhere inside. Whether such
digits are a number anybody can have is the knowledge of `linegate.phones`.
"""

import re
from hashlib import sha256

__all__ = ["line_hash", "normalise"]

# The most digits E.164 allows; the fewest that any country's numbering plan uses with its code.
_DIGITS = re.compile(r"[1-9][0-9]{6,14}")
_SEPARATORS = str.maketrans("", "", " -")


def normalise(raw: str) -> str | None:
    """The E.164 digits of a number as written, without the plus; None if it is not one.

    raw:     digits, with or without a leading `+` or `00`; spaces and hyphens are dropped.
             Parentheses, dots, letters and digits of other scripts are refused: they mean
             that a trunk prefix or an extension may hide in the number.
    Returns: 7 to 15 ASCII digits that do not begin with 0.
    """
    # Nearly every number comes as bare digits: one match, nothing else.
    if _DIGITS.fullmatch(raw):
        return raw
    digits = raw.translate(_SEPARATORS)
    if digits.startswith("+"):
        digits = digits[1:]
    elif digits.startswith("00"):
        digits = digits[2:]
    return digits if _DIGITS.fullmatch(digits) else None


def line_hash(digits: str) -> str:
    """The `to` LINE takes instead of a number: lower-case hex SHA-256 of `+` and the digits.

    digits: what `normalise` gave.
    Source: docs/reference/content.md (LINE notification messages, technical specifications).
    """
    return sha256(b"+" + digits.encode("ascii")).hexdigest()
