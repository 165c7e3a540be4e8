"""The small server of a lone worker: is it alive, does it work, what has it counted."""

from starlette.applications import Starlette
from starlette.routing import Route

from linegate.api.health import Health

__all__ = ["create_probes"]


def create_probes(health: Health) -> Starlette:
    """The ASGI application of `health` alone."""
    return Starlette(
        routes=[
            Route("/health/live", health.live, methods=["GET"]),
            Route("/health/ready", health.ready, methods=["GET"]),
            Route("/metrics", health.metrics, methods=["GET"]),
        ]
    )
