"""Loop: what is still being sent keeps its lease."""

from datetime import timedelta

from linegate.dispatch.dispatcher import Dispatcher

__all__ = ["LeaseKeeper"]


class LeaseKeeper:
    """Renews a dispatcher's leases well before they end."""

    name = "lease keeper"

    def __init__(self, dispatcher: Dispatcher, *, every: timedelta) -> None:
        """Renew each `every`, a fraction of the lease."""
        self._dispatcher = dispatcher
        self.interval = every

    async def run_once(self) -> int:
        """Renew; gives 0, as there is never more to do at once."""
        return await self._dispatcher.renew()
