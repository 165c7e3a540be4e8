"""When to try again. Jitter comes in as a number, so that the same input gives the same instant."""

from datetime import timedelta

__all__ = ["PUSHED_FOR", "PUSH_TRIES", "probe_delay", "push_delay", "send_delay"]

_FIRST = timedelta(seconds=1)
_LONGEST = timedelta(minutes=5)
PUSH_TRIES = 21  # the first and 20 more: the last 41 h 30 min after the first
PUSHED_FOR = timedelta(hours=41, minutes=30)
_LONGEST_PROBE_WAIT = timedelta(minutes=1)


def send_delay(failures: int, spread: float) -> timedelta:
    """How long a message waits after attempts that surely did not go out.

    failures: how many there were, from 1.
    spread:   -1 to 1; moves the delay by up to a fifth, so that a crowd does not come back at once.
    """
    base = min(_LONGEST, _FIRST * float(1 << min(failures - 1, 10)))
    return base * (1 + spread / 5)


def push_delay(tries: int, waited: timedelta = timedelta(0)) -> timedelta | None:
    """How long a delivery report waits after its `tries`-th failed push; None: given up.

    waited: since it first fell due. A report that had to wait behind others for an endpoint in
            doubt has fewer tries, but no more time.
    Source: the published retry cycle, 1 min + 1 min * n * n, 20 retries (FACTS B1.6, Annex 1.3).
    """
    if tries >= PUSH_TRIES or waited >= PUSHED_FOR:
        return None
    n = tries - 1
    return timedelta(minutes=1 + n * n)


def probe_delay(failures: int) -> timedelta:
    """How long an endpoint in doubt rests after that many failed rounds in a row."""
    return min(_LONGEST_PROBE_WAIT, timedelta(seconds=1 << min(max(failures, 0), 6)))
