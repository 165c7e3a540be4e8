"""The endpoint that a page is about."""

from linegate.console.visit import Visit, whole
from linegate.postgres.console import EndpointState, endpoint_of, endpoint_states
from linegate.postgres.pool import Pool

__all__ = ["MOST", "find_endpoint"]

MOST = 1001
"""Where counting of what waits for one endpoint stops."""


async def find_endpoint(pool: Pool, visit: Visit) -> EndpointState | None:
    """The endpoint in the path, if the viewer may look at it."""
    id_ = whole(visit.path["endpoint_id"])
    if id_ is None:
        return None
    async with pool.acquire() as conn:
        owner = await endpoint_of(conn, id_, list(visit.viewer.accounts))
        if owner is None:
            return None
        states = await endpoint_states(conn, [owner[0]], most=MOST, endpoint_id=id_, limit=1)
    return states[0] if states else None
