"""POST /line/1/bulks/import: a bulk of any size, a line a destination, in bounded memory.

The first line is the message with its options; docs/howto/import.md describes the whole. Chunks
are on disk before the next is read, and nothing of the bulk goes before the last line has come.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from linegate.accept.accepted import Accepted, BulkIdTaken, Full
from linegate.accept.import_bulk import Importer, Importing
from linegate.api.auth import Refused, authorise
from linegate.api.body import media_type_of
from linegate.api.convert import to_bulk
from linegate.api.directory import Directory
from linegate.api.explain import read_request
from linegate.api.gate import Gate
from linegate.api.import_lines import (
    Line,
    Numbered,
    csv_destinations,
    csv_header,
    json_destinations,
    lines_of,
)
from linegate.api.platform_rules import apply_platform
from linegate.api.schemas import LineRequest
from linegate.clock import Clock
from linegate.domain.bulk import Bulk
from linegate.domain.caller import Caller
from linegate.domain.keys import SEND
from linegate.domain.policy import Room
from linegate.domain.violation import Violation
from linegate.metrics import Metrics

__all__ = ["Import"]

_NDJSON = ("application/x-ndjson", "application/jsonl", "application/json-lines")
_CSV = ("text/csv",)
_CHUNK = 2_000
_MOST = 10_000_000
_TOLD = 200
_DRAINED = 256 * 1024 * 1024  # bytes read after a refusal
_WRITE_EVERY = timedelta(seconds=20)
_PLACE = re.compile(r"messages\[0\]\.destinations\[(\d+)\]")
_ANYBODY = [{"to": "819000000000"}]  # stands in while the first line is checked alone
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who imports, and what the first line asks for."""

    caller: Caller
    request: LineRequest


class Import:
    """Takes imports."""

    def __init__(
        self,
        directory: Directory,
        importer: Importer,
        gate: Gate,
        clock: Clock,
        metrics: Metrics,
        head_limit: int,
    ) -> None:
        """Write through `importer`. head_limit: bytes of the first line."""
        self._directory = directory
        self._importer = importer
        self._gate = gate
        self._clock = clock
        self._metrics = metrics
        self._head_limit = head_limit

    async def __call__(self, request: Request) -> Response:
        """Answer with the bulkId and how many destinations were taken, when all are on disk."""
        caller = await authorise(request, self._directory, SEND, self._clock.now())
        media_type = media_type_of(request)
        if media_type not in (*_NDJSON, *_CSV):
            reason = "must be application/x-ndjson or text/csv"
            raise Refused(415, [Violation("Content-Type", reason)])
        is_csv = media_type in _CSV
        parts = request.stream()
        lines = lines_of(parts, first_limit=self._head_limit, quoted=is_csv)
        try:
            reader = await self._head(lines, caller)
            columns = await _columns(lines) if is_csv else None
            return await self._all(lines, reader, columns)
        except Refused as refused:
            # Most clients read no answer before they have sent everything.
            await _drain(parts)
            raise refused from None
        except ClientDisconnect:  # nobody reads the answer
            return Response(status_code=400)

    async def _head(self, lines: AsyncIterator[Line | Violation], caller: Caller) -> _Reader:
        """The first line, checked as a request to nobody in particular."""
        now = self._clock.now()
        first = await anext(lines, Violation("line 1", "must be the message with its options"))
        if isinstance(first, Violation):
            raise Refused(400, [first])
        policy = await self._directory.policy(caller.account_id, now)
        body = _as_request(first)
        asked = read_request(body, now, needs_sender=not policy.has_default_sender)
        if isinstance(asked, list):
            raise Refused(400, [_of_head(each, first) for each in asked])
        apply_platform(asked, caller)
        return _Reader(caller, asked)

    async def _all(
        self,
        lines: AsyncIterator[Line | Violation],
        reader: _Reader,
        columns: list[str] | None,
    ) -> Response:
        importing: Importing | None = None
        try:
            async for chunk in self._chunks(lines):
                now = self._clock.now()
                bulk = await self._bulk(reader, _read(chunk, columns), now)
                if importing is None:
                    importing = await self._begin(bulk, now)
                if importing.messages > _MOST:
                    reason = f"must have at most {_MOST:,} destinations"
                    raise Refused(413, [Violation("$", reason)])
                accept = partial(self._write, importing, bulk, now)
                await self._gate.through(bulk, reader.caller, accept, now)
            if importing is None:
                raise Refused(400, [Violation("$", "must have at least one destination")])
            if not await self._importer.open(importing, self._clock.now()):
                raise _given_up()
        except BaseException as error:
            if importing is not None:
                await self._fail(importing, error)
            raise
        return self._answer(importing)

    async def _chunks(self, lines: AsyncIterator[Line | Violation]) -> AsyncIterator[list[Line]]:
        """Lines as they are written together; a slow client's are fewer, to show that it lives."""
        chunk: list[Line] = []
        began = self._clock.now()
        async for line in lines:
            if isinstance(line, Violation):
                raise Refused(400, [line])
            chunk.append(line)
            now = self._clock.now()
            if len(chunk) >= _CHUNK or now - began > _WRITE_EVERY:
                yield chunk
                chunk, began = [], now
        if chunk:
            yield chunk

    async def _bulk(self, reader: _Reader, read: list[Numbered], now: datetime) -> Bulk:
        """A chunk as if it were a request of its own."""
        reader.request.messages[0].destinations = [each.destination for each in read]
        bulk = await to_bulk(reader.request, reader.caller.account_id, self._directory, now)
        if isinstance(bulk, list):
            raise Refused(400, [_of_line(each, read) for each in bulk[:_TOLD]])
        return bulk

    async def _begin(self, bulk: Bulk, now: datetime) -> Importing:
        begun = await self._importer.begin(bulk, now)
        if isinstance(begun, BulkIdTaken):
            reason = "was used before: a bulkId names one request of the account"
            raise Refused(400, [Violation("line 1.options.schedule.bulkId", reason)])
        return begun

    async def _write(
        self, importing: Importing, bulk: Bulk, now: datetime, room: Room
    ) -> Accepted | Full:
        accepted = await self._importer.add(importing, bulk.objects[0], room, now)
        if accepted is None:
            raise _given_up()
        return accepted

    async def _fail(self, importing: Importing, error: BaseException) -> None:
        """Refuse the whole; if the database is away the remover does it later."""
        if isinstance(error, Refused) and error.violations:
            first = error.violations[0]
            reason = f"{first.property}: {first.violation}"
        elif isinstance(error, ClientDisconnect):
            reason = "the client went away before the last line"
        else:
            reason = "the import broke off"
        _log.warning("import.failed", bulk=importing.name, reason=reason)
        await self._importer.fail(importing, reason, self._clock.now())

    def _answer(self, importing: Importing) -> Response:
        rejected = importing.rejected + importing.duplicates
        taken = importing.messages - importing.rejected
        self._metrics.accepted.labels("rejected").inc(rejected)
        self._metrics.accepted.labels("accepted").inc(taken)
        answer = {
            "bulkId": importing.name,
            "messages": importing.messages,
            "accepted": taken,
            "rejected": importing.rejected,
            "duplicates": importing.duplicates,
        }
        return Response(msgspec.json.encode(answer), media_type="application/json")


def _read(chunk: list[Line], columns: list[str] | None) -> list[Numbered]:
    """A chunk's destinations. Raises: Refused with the numbers of lines that are broken."""
    read, wrong = json_destinations(chunk) if columns is None else csv_destinations(columns, chunk)
    if wrong:
        raise Refused(400, wrong[:_TOLD])
    return read


async def _columns(lines: AsyncIterator[Line | Violation]) -> list[str]:
    second = await anext(lines, Violation("line 2", "must be the header that names the columns"))
    columns = second if isinstance(second, Violation) else csv_header(second)
    if isinstance(columns, Violation):
        raise Refused(400, [columns])
    return columns


def _as_request(first: Line) -> bytes:
    """The first line `{"message": {...}, "options": {...}}` as the request it stands for."""
    try:
        head: dict[str, Any] = msgspec.json.decode(first.text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "must be a JSON object with the message and its options"
        raise Refused(400, [Violation(f"line {first.number}", reason)]) from error
    message = head.get("message")
    if not isinstance(message, dict):
        reason = "is required: a message object without destinations"
        raise Refused(400, [Violation(f"line {first.number}.message", reason)])
    if "destinations" in message:
        reason = "must not be given: each further line is one"
        raise Refused(400, [Violation(f"line {first.number}.message.destinations", reason)])
    request = {"messages": [{**message, "destinations": _ANYBODY}]}
    if head.get("options") is not None:
        request["options"] = head["options"]
    return msgspec.json.encode(request)


def _of_head(violation: Violation, first: Line) -> Violation:
    place = violation.property.replace("messages[0]", "message").removeprefix("$")
    return Violation(f"line {first.number}.{place}".rstrip("."), violation.violation)


def _of_line(violation: Violation, read: list[Numbered]) -> Violation:
    match = _PLACE.match(violation.property)
    if match is None:
        return Violation(
            "line 1." + violation.property.replace("messages[0]", "message"), violation.violation
        )
    rest = violation.property[match.end() :]
    return Violation(f"line {read[int(match[1])].line}{rest}", violation.violation)


def _given_up() -> Refused:
    reason = "the import stood still for too long and was given up: nothing of it will be sent"
    return Refused(409, [Violation("$", reason)])


async def _drain(parts: AsyncIterator[bytes]) -> None:
    """Read what is left, so that the client comes to read our answer."""
    left = _DRAINED
    try:
        async for part in parts:
            left -= len(part)
            if left < 0:
                return
    except (ClientDisconnect, RuntimeError):
        _log.debug("import.client_gone")
