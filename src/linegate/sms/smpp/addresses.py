"""Addresses on the wire: type of number and numbering plan, and what a sender may look like.

Source: SMPP 3.4, 5.2.5 and 5.2.6; 3GPP TS 23.040, 9.1.2.5 (a name has at most 11 characters).
"""

from typing import NamedTuple

__all__ = ["Address", "destination_of", "source_of"]

_INTERNATIONAL = (1, 1)
_NETWORK_SPECIFIC = (3, 0)
_ALPHANUMERIC = (5, 0)
_LONGEST_SHORT_CODE = 6


class Address(NamedTuple):
    """type of number, numbering plan, digits or name."""

    ton: int
    npi: int
    text: str


def destination_of(digits: str) -> Address:
    """A phone: digits with the country code."""
    return Address(*_INTERNATIONAL, digits)


def source_of(sender: str) -> Address:
    """A sender: a number in international form, a short code of up to six digits, or a name."""
    digits = sender.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return Address(*_ALPHANUMERIC, sender)
    if len(digits) <= _LONGEST_SHORT_CODE and not sender.startswith("+"):
        return Address(*_NETWORK_SPECIFIC, digits)
    return Address(*_INTERNATIONAL, digits)
