"""Starlette responses of the parts that need not be fast."""

from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address, ip_address
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from linegate.simulator.answers import Detail, error_body

__all__ = ["Handler", "json_reply", "line_error", "local_only", "refuse", "whole_number"]

Handler = Callable[[Request], Awaitable[Response]]


def json_reply(value: Any, status: int = 200) -> Response:
    """Any value msgspec can encode, as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def whole_number(request: Request, name: str, otherwise: int) -> int:
    """A whole number from the query; `otherwise` when there is none."""
    given = request.query_params.get(name, "")
    return int(given) if given.isascii() and given.isdecimal() else otherwise


def line_error(status: int, message: str, details: list[Detail] | None = None) -> Response:
    """An error in LINE's form."""
    return Response(error_body(message, details), status, media_type="application/json")


def refuse(why: str, status: int = 400) -> Response:
    """An error of the simulator's own interface."""
    return json_reply({"error": why}, status)


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def local_only(handler: Handler, anywhere: bool) -> Handler:
    """Let only this machine call; the switches belong to whoever runs the simulator."""

    async def guarded(request: Request) -> Response:
        client = request.client
        if anywhere or client is None or _is_loopback(client.host):
            return await handler(request)
        return refuse("only from this machine; see admin_from_anywhere", 403)

    return guarded
