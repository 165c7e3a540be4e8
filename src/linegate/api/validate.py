"""POST /line/1/messages/validate: everything wrong and everything odd about a request.

Nothing is sent and nothing is written. It says more than sending does: unknown properties, what
LINE's review objects to, destinations that will be rejected, ids that were used before.
Source: published operation of the Messages API, `validate` (FACTS B2.4).
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import authorise
from linegate.api.directory import Directory
from linegate.api.explain import MOST_VIOLATIONS, Broken, bounded
from linegate.api.intake import BULK_ID_USED, LARGE, Intake, Read
from linegate.api.problems import problem
from linegate.api.repair import related
from linegate.api.strangers import unknown_properties
from linegate.api.warnings import bulk_warnings, request_warnings
from linegate.clock import Clock
from linegate.domain.bulk import Bulk
from linegate.domain.caller import Caller
from linegate.domain.keys import SEND
from linegate.domain.violation import Violation
from linegate.postgres.logs import find_client_ids
from linegate.postgres.pool import Pool

__all__ = ["Validate"]

_DESCRIPTION = "The request can be sent and will be accepted."
_ACTION = "No action is required; looking into the violations listed is recommended."


class Validate:
    """Judges requests."""

    def __init__(self, directory: Directory, pool: Pool, clock: Clock, intake: Intake) -> None:
        """Read through `intake`; look ids up over `pool`."""
        self._directory = directory
        self._pool = pool
        self._clock = clock
        self._intake = intake

    async def __call__(self, request: Request) -> Response:
        """Answer what is wrong with a request to send, and send nothing."""
        now = self._clock.now()
        caller = await authorise(request, self._directory, SEND, now)
        body = await self._intake.body(request)
        read = await self._intake.read(body, caller, now, is_trial=True)
        skippable = (
            await run_in_threadpool(_strangers, body) if len(body) > LARGE else _strangers(body)
        )
        if isinstance(read, Broken):
            violations = read.violations
            skippable += await self._odd(read, caller, now)
        else:
            violations = await self._used(read.bulk)
            skippable += await self._odd(read, caller, now)
            skippable += await self._clashes(read.bulk)
        if violations:
            accept = request.headers.get("accept")
            return problem(400, accept, violations, skippable=bounded(skippable))
        answer = {
            "description": _DESCRIPTION,
            "action": _ACTION,
            "skippableViolations": bounded(skippable),
        }
        return Response(msgspec.json.encode(answer), media_type="application/json")

    async def _odd(self, read: Read | Broken, caller: Caller, now: datetime) -> list[Violation]:
        """Warnings; of a broken request about its sound parts."""
        asked = read.asked if isinstance(read, Read) else read.request
        if asked is None:
            return []
        found = await request_warnings(asked, caller.account_id, self._directory, now)
        broken: Sequence[Violation] = read.violations if isinstance(read, Broken) else ()
        places = [violation.property for violation in broken]
        return [each for each in found if not any(related(each.property, at) for at in places)]

    async def _used(self, bulk: Bulk) -> list[Violation]:
        id_ = bulk.client_id
        is_used = id_ is not None and await self._directory.has_bulk(bulk.account_id, id_)
        return [BULK_ID_USED] if is_used else []

    async def _clashes(self, bulk: Bulk) -> list[Violation]:
        """The destinations that will be rejected, those with a used messageId included."""
        names = [name for part in bulk.objects for name in part.client_ids]
        asked = sorted({name for name in names if name is not None})
        async with self._pool.acquire() as conn:
            used = (
                set(await find_client_ids(conn, [bulk.account_id], "message", asked))
                if asked
                else set()
            )
        duplicates = set()
        for at, name in enumerate(names):
            if name in used:
                duplicates.add(at)
            elif name is not None:
                used.add(name)  # the first of the request takes it
        return bulk_warnings(bulk, frozenset(duplicates))


def _strangers(body: bytes) -> list[Violation]:
    """The unknown properties of a body; none of one that is no JSON."""
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return unknown_properties(tree, MOST_VIOLATIONS + 1)
