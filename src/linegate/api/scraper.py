"""Who may read the metrics of an API process."""

from starlette.requests import Request

from linegate.api.auth import authorise
from linegate.api.directory import Directory
from linegate.api.health import Allow
from linegate.clock import Clock

__all__ = ["loopback_or_key"]

_METRICS = frozenset({"metrics:read"})
_LOOPBACK = ("127.0.0.1", "::1")


def loopback_or_key(directory: Directory, clock: Clock) -> Allow:
    """Loopback may; others need a key with `metrics:read`. Raises: Refused, when asked."""

    async def allow(request: Request) -> None:
        if request.client is None or request.client.host not in _LOOPBACK:
            await authorise(request, directory, _METRICS, clock.now())

    return allow
