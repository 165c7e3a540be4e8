"""Whether a sender's silence means anything.

Silence stands for "not delivered". Where the webhook's URL or secret is wrong it stands for
nothing: every message would fail over although LINE delivers it. Source: decision 12.
"""

from datetime import datetime, timedelta

__all__ = ["HELD_FOR", "is_deaf"]

_HAND_OVERS = 200
_SILENCE = timedelta(minutes=15)

HELD_FOR = timedelta(minutes=1)
"""How long failover by silence of a deaf sender waits until it is looked at again."""


def is_deaf(unheard: int, unheard_since: datetime | None, now: datetime) -> bool:
    """Whether a sender has handed over so much, and for so long heard nothing.

    unheard: hand-overs since the last valid event; unheard_since: the first of them.
    """
    return unheard_since is not None and unheard >= _HAND_OVERS and now - unheard_since >= _SILENCE
