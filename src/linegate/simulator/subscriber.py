"""A client's report endpoint: takes delivery reports, remembers some, counts all.

`POST /subscriber/{anything}` takes reports as JSON or XML; `GET /subscriber` shows what
came; `PUT /subscriber` sets the status that the next reports are answered with, so that a
sender's retries can be watched.
"""

import asyncio
import re
from collections import Counter, deque
from itertools import zip_longest
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from linegate.simulator.answers import Receive, Scope, Send, read_body, send_json
from linegate.simulator.replies import json_reply, refuse, whole_number

__all__ = ["Subscriber"]

_LARGEST_BODY = 32 * 1024 * 1024
_REMEMBERED = 100
_MOST_IDS = 1_000_000


class _Status(msgspec.Struct, rename="camel", frozen=True):
    name: str = ""
    group_name: str = ""


class _Report(msgspec.Struct, rename="camel"):
    message_id: str = ""
    status: _Status = _Status()


class _Results(msgspec.Struct):
    results: list[msgspec.Raw] = []


class _Setting(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    status: int = 200
    delay_seconds: float = 0.0
    times: int = 0


_decode_results = msgspec.json.Decoder(_Results).decode
_decode_report = msgspec.json.Decoder(_Report).decode
_decode_setting = msgspec.json.Decoder(_Setting).decode


# Reports are read only to be counted, so their XML is searched rather than parsed.
_xml_ids = re.compile(rb"<messageId>([^<]*)</messageId>").findall
_xml_statuses = re.compile(rb"<status>(.*?)</status>", re.DOTALL).findall


def _xml_name(status: bytes) -> bytes:
    return status.partition(b"<name>")[2].partition(b"</name>")[0]


class Subscriber:
    """What one pretended client was told. Counts are exact; the lists are bounded."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, and answer 200 again."""
        self.requests = self.reports = self.duplicates = self.unreadable = 0
        self.by_status: Counter[str] = Counter()
        self.first: list[bytes] = []
        self.last: deque[bytes] = deque(maxlen=_REMEMBERED)
        self.by_path: Counter[str] = Counter()
        self._ids: set[str] = set()
        self._headers: list[tuple[bytes, bytes]] = []
        self._setting = _Setting()

    async def receive(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one call with reports (bare ASGI)."""
        body = await read_body(receive, _LARGEST_BODY)
        setting = self._setting
        if setting.delay_seconds > 0:
            await asyncio.sleep(setting.delay_seconds)
        status = setting.status
        if setting.times > 0:
            setting.times -= 1
            if setting.times == 0:
                self._setting = _Setting()
        self.requests += 1
        self.by_path[scope["path"]] += 1
        self._headers = scope["headers"]
        if status // 100 == 2:
            self._note(body or b"")
        await send_json(send, status, b"{}", b"")

    def _note(self, body: bytes) -> None:
        if body.startswith(b"<"):
            self._note_xml(body)
            return
        try:
            results = _decode_results(body).results
            reports = [_decode_report(raw) for raw in results]
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.unreadable += 1
            self.last.append(msgspec.json.encode(body.decode("utf-8", "replace")))
            return
        for report in reports:
            self._count(report.message_id, report.status.name or report.status.group_name)
        if len(self.first) < _REMEMBERED:
            self.first += [bytes(raw) for raw in results[: _REMEMBERED - len(self.first)]]
        self.last.extend(bytes(raw) for raw in results[-_REMEMBERED:])

    def _note_xml(self, body: bytes) -> None:
        names = [_xml_name(status) for status in _xml_statuses(body)]
        for message_id, name in zip_longest(_xml_ids(body), names, fillvalue=b""):
            self._count(message_id.decode("utf-8", "replace"), name.decode("utf-8", "replace"))
        self.last.append(msgspec.json.encode(body.decode("utf-8", "replace")))

    def _count(self, message_id: str, status: str) -> None:
        self.reports += 1
        self.by_status[status] += 1
        if message_id in self._ids:
            self.duplicates += 1
        elif len(self._ids) < _MOST_IDS:
            self._ids.add(message_id)

    async def show(self, request: Request) -> Response:
        """`GET /subscriber?limit=`: counts, and the first and last reports."""
        limit = min(whole_number(request, "limit", 10), _REMEMBERED)
        shown: dict[str, Any] = {
            "requests": self.requests,
            "reports": self.reports,
            "distinctMessageIds": len(self._ids),
            "duplicates": self.duplicates,
            "unreadable": self.unreadable,
            "byStatus": self.by_status,
            "byPath": self.by_path,
            "lastHeaders": {n.decode("latin-1"): v.decode("latin-1") for n, v in self._headers},
            "first": [msgspec.Raw(raw) for raw in self.first[:limit]],
            "last": [msgspec.Raw(raw) for raw in list(self.last)[-limit:]] if limit else [],
        }
        return json_reply(shown)

    async def set(self, request: Request) -> Response:
        """`PUT /subscriber {status, delaySeconds, times}`; times 0 = until set again."""
        try:
            self._setting = _decode_setting(await request.body())
        except msgspec.DecodeError as error:
            return refuse(str(error))
        return json_reply({})

    async def clear(self, request: Request) -> Response:
        """`DELETE /subscriber`: forget everything."""
        self.reset()
        return json_reply({})
