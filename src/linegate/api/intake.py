"""A request as a bulk, or everything that is wrong with it; for sending, validating, previewing.

What the directory knows (senders, templates) is asked of a broken request too, so that one answer
tells all: its sound parts are judged, and stand-ins never blamed.
"""

from datetime import datetime
from functools import partial
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from linegate.api.body import read_body
from linegate.api.convert import to_bulk
from linegate.api.directory import Directory
from linegate.api.explain import MOST_VIOLATIONS, Broken, bounded, examine
from linegate.api.platform_rules import apply_platform
from linegate.api.repair import related
from linegate.api.schemas import LineRequest
from linegate.domain.bulk import Bulk
from linegate.domain.caller import Caller
from linegate.domain.violation import Violation

__all__ = ["BULK_ID_USED", "LARGE", "Intake", "Read"]

BULK_ID_USED = Violation(
    "options.schedule.bulkId", "was used before: a bulkId names one request of the account"
)

LARGE = 256 * 1024
"""Bytes: from here on a body is no longer read between two other requests."""


class Read(NamedTuple):
    """A request that breaks no rule, and the bulk that it asks for."""

    asked: LineRequest
    bulk: Bulk


class Intake:
    """Reads requests of POST /line/1/messages and its kin."""

    def __init__(self, directory: Directory, *, body_limit: int, destinations_limit: int) -> None:
        """Limits: bytes of a body, destinations of a request."""
        self._directory = directory
        self._body_limit = body_limit
        self._destinations_limit = destinations_limit

    async def body(self, request: Request) -> bytes:
        """The body. Raises: Refused 413, 415."""
        return await read_body(request, self._body_limit)

    async def read(
        self, body: bytes, caller: Caller, now: datetime, *, is_trial: bool = False
    ) -> Read | Broken:
        """What a body asks for. is_trial: nothing is written for it, not even an endpoint.

        Whether the bulkId of a sound one is free is not asked: its commit will tell.
        """
        read = await self._read(body, caller, now, is_trial=is_trial)
        if isinstance(read, Read):
            return read
        bulk_id = _bulk_id_of(read.request)
        if bulk_id and await self._directory.has_bulk(caller.account_id, bulk_id):
            return Broken(bounded([*read.violations, BULK_ID_USED]), read.request)
        return read

    async def _read(
        self, body: bytes, caller: Caller, now: datetime, *, is_trial: bool
    ) -> Read | Broken:
        policy = await self._directory.policy(caller.account_id, now)
        look = partial(examine, body, now, needs_sender=not policy.has_default_sender)
        asked = await run_in_threadpool(look) if len(body) > LARGE else look()
        if isinstance(asked, Broken):
            return await self._with_more(asked, caller, now)
        if crowd := self._crowd(asked):
            return Broken([crowd], asked)
        apply_platform(asked, caller)
        bulk = await to_bulk(asked, caller.account_id, self._directory, now, is_trial=is_trial)
        return Broken(bounded(bulk), asked) if isinstance(bulk, list) else Read(asked, bulk)

    async def _with_more(self, broken: Broken, caller: Caller, now: datetime) -> Broken:
        """A broken request with what is wrong besides."""
        found, request = broken
        if request is None or len(found) > MOST_VIOLATIONS:
            return broken
        if crowd := self._crowd(request):
            return Broken([*found, crowd], request)
        apply_platform(request, caller)
        bulk = await to_bulk(request, caller.account_id, self._directory, now, is_trial=True)
        places = [violation.property for violation in found]
        more = [
            violation
            for violation in (bulk if isinstance(bulk, list) else ())
            if not any(related(violation.property, place) for place in places)
        ]
        return Broken(bounded([*found, *more]), request)

    def _crowd(self, asked: LineRequest) -> Violation | None:
        """Too many destinations."""
        if sum(len(message.destinations) for message in asked.messages) <= self._destinations_limit:
            return None
        reason = f"must have at most {self._destinations_limit} destinations in all"
        return Violation("messages", reason)


def _bulk_id_of(request: LineRequest | None) -> str | None:
    if request is None or request.options is None or request.options.schedule is None:
        return None
    return request.options.schedule.bulk_id
