"""POST /line/1/messages: take a request, answer when it is on disk."""

from datetime import datetime
from functools import partial
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from linegate.accept.accept_bulk import Acceptor
from linegate.accept.accepted import Accepted, BulkIdTaken
from linegate.accept.once import KeyReused, Once, Repeated
from linegate.api.auth import Refused, authorise
from linegate.api.directory import Directory
from linegate.api.explain import Broken
from linegate.api.gate import Gate
from linegate.api.idempotency_key import IDEMPOTENCY_KEY, read_key
from linegate.api.intake import BULK_ID_USED, Intake
from linegate.api.schemas_response import encode_send_answer
from linegate.clock import Clock
from linegate.domain.bulk import Bulk
from linegate.domain.caller import Caller
from linegate.domain.keys import SEND
from linegate.domain.violation import Violation
from linegate.metrics import Metrics
from linegate.tracing import REQUEST_TRACE, RequestTrace

__all__ = ["Send"]

_ENROUTE = 7
_ACCEPTED = 26
_DUPLICATE = 23


class Send:
    """Takes messages."""

    def __init__(
        self,
        directory: Directory,
        acceptor: Acceptor,
        gate: Gate,
        clock: Clock,
        metrics: Metrics,
        intake: Intake,
    ) -> None:
        """Read through `intake`, accept through `gate`."""
        self._directory = directory
        self._acceptor = acceptor
        self._gate = gate
        self._clock = clock
        self._metrics = metrics
        self._intake = intake

    async def __call__(self, request: Request) -> Response:
        """Answer with the bulkId and one element per destination.

        Source: published operation send-line-message.
        """
        now = self._clock.now()
        caller = await authorise(request, self._directory, SEND, now)
        body = await self._intake.body(request)
        key = read_key(request, caller.account_id)
        trace: RequestTrace | None = request.scope.get(REQUEST_TRACE)
        if key is None:
            return await self.take(body, caller, now, trace)
        digest = sha256(body).digest()
        before = await self._acceptor.answered(key, digest, now)
        if before is not None:
            return _again(before)
        bulk = await self._read(body, caller, now, trace)
        once = Once(key, digest, partial(_answer, bulk))
        accept_once = partial(self._acceptor.accept_once, bulk, once)
        asked_at = self._clock.now()
        accepted: Accepted | BulkIdTaken | Repeated | KeyReused = await self._gate.through(
            bulk, caller, accept_once, now
        )
        if isinstance(accepted, Repeated | KeyReused):
            return _again(accepted)
        return self._taken(bulk, accepted, asked_at, trace)

    async def take(
        self, body: bytes, caller: Caller, now: datetime, trace: RequestTrace | None = None
    ) -> Response:
        """Accept a request without Idempotency-Key, from a caller who may send."""
        bulk = await self._read(body, caller, now, trace)
        accept = partial(self._acceptor.accept, bulk)
        asked_at = self._clock.now()
        accepted: Accepted | BulkIdTaken = await self._gate.through(bulk, caller, accept, now)
        return self._taken(bulk, accepted, asked_at, trace)

    def _taken(
        self,
        bulk: Bulk,
        accepted: Accepted | BulkIdTaken,
        asked_at: datetime,
        trace: RequestTrace | None,
    ) -> Response:
        """The answer to a request that was new; asked_at: when it was given to the database."""
        if isinstance(accepted, BulkIdTaken):
            raise Refused(400, [BULK_ID_USED])
        if trace is not None:
            trace.accepted(asked_at, accepted.bulk_id, len(accepted.message_ids))
        rejected = sum(len(part.rejections) for part in bulk.objects)
        self._metrics.accepted.labels("rejected").inc(rejected + len(accepted.duplicates))
        self._metrics.accepted.labels("accepted").inc(
            len(accepted.message_ids) - rejected - len(accepted.duplicates)
        )
        return Response(_answer(bulk, accepted), media_type="application/json")

    async def _read(
        self, body: bytes, caller: Caller, now: datetime, trace: RequestTrace | None
    ) -> Bulk:
        """The bulk, or everything that is wrong with the request."""
        read = await self._intake.read(body, caller, now)
        if isinstance(read, Broken):
            raise Refused(400, read.violations)
        if trace is not None:
            read.bulk.trace = trace.trace
        return read.bulk


def _again(before: Repeated | KeyReused) -> Response:
    """The answer to a request whose Idempotency-Key was used before."""
    if isinstance(before, KeyReused):
        reason = "was used before, with another body: a key names one request"
        raise Refused(422, [Violation(IDEMPOTENCY_KEY, reason)])
    headers = {"Idempotency-Replayed": "true"}
    return Response(before.answer, headers=headers, media_type="application/json")


def _answer(bulk: Bulk, accepted: Accepted) -> bytes:
    destinations = [number for part in bulk.objects for number in part.destinations]
    statuses = [_ACCEPTED if bulk.is_scheduled else _ENROUTE] * len(destinations)
    start = 0
    for part in bulk.objects:
        for at, rejection in part.rejections.items():
            statuses[start + at] = rejection.status
        start += len(part.destinations)
    for at in accepted.duplicates:
        statuses[at] = _DUPLICATE
    return encode_send_answer(
        accepted.bulk_id, zip(accepted.message_ids, statuses, destinations, strict=True)
    )
