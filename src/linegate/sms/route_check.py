"""Tries a route without sending: connects to its provider, binds and leaves again."""

import asyncio

from linegate.clock import Clock
from linegate.domain.transport import Receipt
from linegate.sms.route_url import RouteUrl
from linegate.sms.transports import make_transport

__all__ = ["trouble_of"]

_CHECK_FOR = 10  # seconds


async def trouble_of(route: RouteUrl, clock: Clock, name: str) -> str:
    """Why a route cannot be used; "" if it can. Takes at most 10 seconds.

    An HTTP provider is only known by what it answers to an SMS: it counts as usable.
    """

    async def not_ours(receipts: list[Receipt]) -> bool:
        return False  # the provider brings them again to who holds the route

    transport = make_transport(route, clock, not_ours, name=name, callback_url="")
    before = transport.trouble
    running = asyncio.create_task(transport.run())
    try:
        async with asyncio.timeout(_CHECK_FOR):
            while not transport.is_up and transport.trouble == before:  # noqa: ASYNC110 - no bell
                await asyncio.sleep(0.05)
    except TimeoutError:
        return f"no answer within {_CHECK_FOR} s"
    finally:
        trouble = transport.trouble
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return trouble
