"""A client's visit to a town: what it sends, what it was promised, and whether that was kept."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import aiohttp

from linegate.domain.ids import public_id, read_public_id
from linegate.line.tag import make_tag
from linegate.postgres.pool import AWAY
from linegate.simulator.numbers import BLOCKS
from support.crash.town import ACCOUNT, SECRET, SENDER, Town
from support.waiting import until

__all__ = ["Numbers", "Visit"]

_ENDPOINT = "SELECT id FROM endpoint WHERE url LIKE $1"

_PATIENCE = 60.0  # seconds, on an idle machine
_AWAY = (502, 503)
_NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError)


class Numbers:
    """Phone numbers by their last three digits: the SMS fate's one and LINE's two. Each once."""

    def __init__(self) -> None:
        self._next: Counter[str] = Counter()

    def take(self, ending: str, land: str = "JP") -> str:
        """A number that ends so; the same again only after a hundred others."""
        prefix = BLOCKS[land]
        self._next[land + ending] += 1
        return f"{prefix}{self._next[land + ending] % 100:02d}{ending}"


@dataclass(slots=True)
class Visit:
    """One client's doings. sent: our id of each message that was accepted, with its number.

    pulled:   reports that were handed out, by message. lost_pulls: answers that never came.
    texted:      messages that have an SMS. cancelled: those whose bulk was cancelled.
    never_asked: those that LINE must never see.
    """

    town: Town
    name: str
    numbers: Numbers
    sent: dict[int, str] = field(default_factory=dict)
    texted: set[int] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)
    never_asked: set[int] = field(default_factory=set)
    erased: set[int] = field(default_factory=set)
    pulled: Counter[str] = field(default_factory=Counter)
    lost_pulls: int = 0
    patience: float = 1.0
    submitted_before: Counter[str] = field(default_factory=Counter)
    _keys: Any = field(default_factory=lambda: count(1))

    # ------------------------------------------------------------------------ what it asks for

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        again: bool = True,
    ) -> tuple[int, Any]:
        """Status and JSON; asked again until there is an answer, unless `again` is False (0)."""
        town = self.town
        given = {
            "Authorization": f"App {key or town.key}",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        ends_at = time.monotonic() + _PATIENCE * self.patience
        while True:
            try:
                url = town.outside.api_url + path
                async with town.session.request(method, url, headers=given, data=data) as answer:
                    text = await answer.text()
                    if answer.status not in _AWAY:
                        return answer.status, json.loads(text) if text else None
            except _NO_ANSWER:
                if not again:
                    return 0, None
            if time.monotonic() > ends_at:
                raise AssertionError(f"{method} {path}: no answer for {_PATIENCE:g} s")
            await asyncio.sleep(0.1)

    def message(self, numbers: Sequence[str], **options: Any) -> dict[str, Any]:
        """A message object to these numbers, reported to this visit's own address."""
        bubble = {
            "type": "BUBBLE",
            "body": {"layout": "VERTICAL", "contents": [{"type": "TEXT", "text": self.name}]},
        }
        hook = f"{self.town.outside.url}/reports/{self.name}"
        seconds = options.pop("seconds", 60)
        interim = options.pop("interim", False)
        return {
            "sender": SENDER,
            "destinations": [{"to": number} for number in numbers],
            "content": {"type": "LINE_NOTIFICATION", "altText": self.name, "contents": bubble},
            "options": {
                "validityPeriod": {"amount": seconds, "timeUnit": "SECONDS"},
                "platform": {"entityId": f"of {self.name}"},
                **options,
            },
            "webhooks": {"delivery": {"url": hook, "intermediateReport": interim}},
        }

    async def send(
        self, *messages: dict[str, Any], schedule: dict[str, Any] | None = None
    ) -> tuple[str, list[int]]:
        """Send a bulk with an Idempotency-Key; its bulkId and our ids of its messages."""
        body: dict[str, Any] = {"messages": list(messages)}
        if schedule is not None:
            body["options"] = {"schedule": schedule}
        status, answer = await self.ask("POST", "/line/1/messages", body, headers=self._once())
        assert status == 200, answer
        ids = self._accepted(answer)
        numbers = [each["to"] for message in messages for each in message["destinations"]]
        self.sent.update(zip(ids, numbers, strict=True))
        self.texted.update(
            id_
            for id_, message in zip(
                ids, (m for m in messages for _ in m["destinations"]), strict=True
            )
            if "smsFailover" in message["options"]
        )
        return answer["bulkId"], ids

    async def send_named(self, name: str, *messages: dict[str, Any]) -> list[int]:
        """Send a bulk with a bulkId alone; a repeat that is refused for it says: it was taken."""
        body = {"messages": list(messages), "options": {"schedule": {"bulkId": name}}}
        status, answer = await self.ask("POST", "/line/1/messages", body)
        if status == 400:
            assert "bulkId" in json.dumps(answer), answer
        ids = await self.ids_of(name)
        numbers = [each["to"] for message in messages for each in message["destinations"]]
        assert len(ids) == len(numbers), f"{name}: {len(ids)} of {len(numbers)} were kept"
        self.sent.update(zip(ids, numbers, strict=True))
        return ids

    async def refused(self, message: dict[str, Any], **schedule: Any) -> None:
        """Send what is refused: nothing of it may ever be seen again."""
        body: dict[str, Any] = {"messages": [message]}
        if schedule:
            body["options"] = {"schedule": schedule}
        status, answer = await self.ask("POST", "/line/1/messages", body, headers=self._once())
        assert status == 400, answer

    async def import_bulk(self, name: str, lines: Sequence[str], *, good: bool = True) -> None:
        """Import a bulk; what broke off is repeated until its name is free or taken for good."""
        head = {"message": self.message(["1"]), "options": {"schedule": {"bulkId": name}}}
        del head["message"]["destinations"]
        body = "\n".join([json.dumps(head), *lines]).encode()
        media = {"Content-Type": "application/x-ndjson"}

        async def settled() -> bool:
            status, answer = await self.ask(
                "POST", "/line/1/bulks/import", body, headers=media, again=False
            )
            if status == 400 and "bulkId" in json.dumps(answer):
                return await self.is_open(name)
            return status in ((200,) if good else (400,))

        await until(settled, within=_PATIENCE * self.patience, every=0.3)
        if good:
            ids = await self.ids_of(name)
            numbers = [json.loads(line)["to"] for line in lines]
            assert len(ids) == len(numbers), f"import {name}: {len(ids)} of {len(numbers)}"
            self.sent.update(zip(ids, numbers, strict=True))

    async def say(self, bulk: str, status: str) -> None:
        """Give a bulk a status."""
        path = f"/line/1/bulks/status?bulkId={bulk}"
        code, answer = await self.ask("PUT", path, {"status": status})
        assert code == 200 or "status" in json.dumps(answer), answer

    async def change(self, bulk: str, **what: Any) -> None:
        """Change a bulk's time or speed."""
        code, answer = await self.ask("PUT", f"/line/1/bulks?bulkId={bulk}", what)
        assert code == 200 or "cannot change" in json.dumps(answer), answer

    async def pull(self, **asked: str) -> None:
        """Fetch reports once; an answer that never came took its reports along."""
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        code, answer = await self.ask("GET", f"/line/1/reports?{query}", again=False)
        if code != 200:
            self.lost_pulls += 1
            return
        self.pulled.update(report["messageId"] for report in answer["results"])

    async def suspend(self, *, yes: bool) -> None:
        """Suspend the account, or let it go on."""
        path = f"/operator/1/accounts/{ACCOUNT}"
        code, answer = await self.ask("PATCH", path, {"suspended": yes}, key=self.town.operator)
        assert code == 200, answer

    async def event(self, **event: Any) -> None:
        """Tell linegate of something as LINE would, until it has taken it."""
        body = json.dumps({"destination": "U1", "events": [event]}).encode()
        mac = hmac.digest(SECRET.encode(), body, hashlib.sha256)
        signature = {"x-line-signature": base64.b64encode(mac).decode()}
        url = f"{self.town.outside.url}/events/{SENDER}"

        async def taken() -> bool:
            async with self.town.session.post(url, data=body, headers=signature) as answer:
                return answer.status == 200

        await until(taken, within=_PATIENCE * self.patience, every=0.1)

    async def delivered(self, id_: int, attempt: int = 1) -> None:
        """LINE's delivery event for an attempt."""
        now = int(time.time() * 1000)
        tag = {"data": make_tag(id_, attempt)}
        await self.event(
            type="delivery", delivery=tag, timestamp=now, webhookEventId=f"{self.name}-{id_}"
        )

    def at(self, seconds: float) -> str:
        """An instant so far from now, by the installation's time."""
        ahead = timedelta(days=self.town.days_ahead)
        return (datetime.now(UTC) + ahead + timedelta(seconds=seconds)).isoformat()

    def answer_reports(self, status: int, after: float = 0.0) -> None:
        """What reports to this visit are answered from now on, and how many seconds later."""
        self.town.outside.answers[self.name] = status, after

    # ------------------------------------------------------------------- what the examiner sees

    async def ids_of(self, bulk: str) -> list[int]:
        """Our ids of a bulk's messages that the database holds, in order."""
        rows = await self.fetch(
            "SELECT message.id FROM message JOIN message_object AS object"
            " ON object.id = message.object_id JOIN client_id ON client_id.id = object.bulk_id"
            " WHERE client_id.kind = 'bulk' AND client_id.name = $1 ORDER BY message.id",
            bulk,
        )
        return [row["id"] for row in rows]

    async def is_open(self, bulk: str) -> bool:
        rows = await self.fetch(
            "SELECT 1 FROM bulk_run JOIN client_id ON client_id.id = bulk_run.bulk_id"
            " WHERE client_id.kind = 'bulk' AND name = $1"
            " AND status NOT IN ('importing', 'failed')",
            bulk,
        )
        return bool(rows)

    async def fetch(self, statement: str, *values: object) -> list[Any]:
        """Rows; asked again while the database is away."""
        ends_at = time.monotonic() + _PATIENCE * self.patience
        while True:
            try:
                rows: list[Any] = await self.town.pool.fetch(statement, *values)
                return rows
            except AWAY:
                if time.monotonic() > ends_at:
                    raise
            await asyncio.sleep(0.1)

    async def until_rows(self, statement: str, *values: object, within: float = 20.0) -> None:
        """Wait until there are such rows."""

        async def found() -> bool:
            return bool(await self.fetch(statement, *values))

        await until(found, within=within * self.patience, every=0.05)

    async def ended(self) -> bool:
        """Whether all of this visit's messages have their end, and no report waits."""
        ids = list(self.sent)
        (row,) = await self.fetch(
            "SELECT (SELECT count(*) FROM final WHERE message_id = ANY($1)) AS ended,"
            " (SELECT count(*) FROM push"
            "  WHERE message_id = ANY($1) AND given_up_at IS NULL) AS due",
            ids,
        )
        return bool(row["ended"] == len(ids) and row["due"] == 0)

    async def endpoint(self) -> str:
        """The id of the endpoint that this visit's reports go to."""
        await self.until_rows(_ENDPOINT, f"%/reports/{self.name}")
        (row,) = await self.fetch(_ENDPOINT, f"%/reports/{self.name}")
        return str(row["id"])

    async def until_no_reports(self, ids: Sequence[int]) -> None:
        """Wait until no report of these messages waits."""
        await self.until_rows(
            "SELECT 1 FROM push WHERE message_id = ANY($1) HAVING count(*) = 0", ids
        )

    async def forgotten(self, ids: Sequence[int]) -> None:
        """Wait until nothing of these messages is left, and ask for them no more."""
        await self.until_rows(
            "SELECT 1 FROM message WHERE id = ANY($1) HAVING count(*) = 0", ids, within=40
        )
        rows = await self.fetch(
            "SELECT 'final' AS left FROM final WHERE message_id = ANY($1)"
            " UNION ALL SELECT 'attempt' FROM attempt WHERE message_id = ANY($1)"
            " UNION ALL SELECT 'queue' FROM queue WHERE id = ANY($1)"
            " UNION ALL SELECT 'push' FROM push WHERE message_id = ANY($1)",
            ids,
        )
        assert not rows, f"{rows} of forgotten messages"
        for id_ in ids:
            del self.sent[id_]
        self.erased.update(ids)

    async def until_ended(self, within: float = _PATIENCE) -> None:
        """Wait until everything of this visit has ended and was told."""
        await until(self.ended, within=within, every=0.15)

    def _once(self) -> dict[str, str]:
        return {"Idempotency-Key": f"{self.name}-{next(self._keys)}"}

    def _accepted(self, answer: dict[str, Any]) -> list[int]:
        ids = [read_public_id(each["messageId"]) for each in answer["messages"]]
        return [id_ for id_ in ids if id_ is not None]

    def public(self) -> dict[str, int]:
        """The visit's messages by the id that clients see."""
        return {public_id(id_): id_ for id_ in self.sent}
