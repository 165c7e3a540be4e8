"""Puts parts of the API behind what the console has others do, so that both edges stay strangers."""

from datetime import datetime

from linegate.api.directory import Directory
from linegate.api.identities import Denied
from linegate.console.hands import LoginRefused

__all__ = ["console_login"]


class console_login:  # noqa: N801
    pass
