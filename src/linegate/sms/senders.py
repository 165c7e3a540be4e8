"""What an SMS sender may look like, whatever the provider.

Source: 3GPP TS 23.040, 9.1.2.5: a name has at most 11 characters; ITU-T E.164: 15 digits.
"""

import re

__all__ = ["is_sms_sender"]

_NUMBER = re.compile(r"\+?[0-9]{3,15}")
_NAME = re.compile(r"(?=.*[A-Za-z])[ -~]{1,11}")


def is_sms_sender(sender: str) -> bool:
    """Whether it is a number of 3 to 15 digits, or a name of up to 11 characters with a letter."""
    return bool(_NUMBER.fullmatch(sender) or _NAME.fullmatch(sender))
