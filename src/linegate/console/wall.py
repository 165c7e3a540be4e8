"""The sandbox: phones that show what arrives, and switches for how LINE and SMS behave.

Speaks to the simulator's own interface over HTTP, and only where LINE is a simulated one.
"""

import asyncio
import json
from collections import defaultdict
from datetime import datetime
from typing import Any

import aiohttp
from starlette.responses import Response

from linegate.console.answers import back, missing, refused
from linegate.console.pages import page
from linegate.console.phone import draw_content
from linegate.console.visit import Visit
from linegate.domain.phone import normalise

__all__ = ["LINE_SWITCHES", "SMS_SWITCHES", "Wall"]

_LATEST = 60
_PHONES = 9
_EACH = 4
LINE_SWITCHES = {
    "normal": "as the numbers say",
    "slow": "answers after 3 s",
    "silent": "takes all, delivers nothing",
    "rate_limited": "429: too many requests",
    "monthly_limit": "429: the month is used up",
    "error": "500: broken",
    "no_answer": "does not answer",
    "refused": "422: cannot reach the user",
    "forbidden": "403: may not use this",
    "unauthorised": "401: refuses the token",
}
SMS_SWITCHES = {
    "normal": "as the numbers say",
    "throttled": "slow down",
    "error": "a system error",
    "unanswered": "does not answer",
    "closed": "closes the connection",
}
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class Wall:
    """Shows simulated phones. Everything here is of the sandbox alone."""

    def __init__(self, simulator_url: str | None) -> None:
        """Ask the simulator at this URL; None: LINE is the real one and there is no wall."""
        self._url = simulator_url

    @property
    def stands(self) -> bool:
        """Whether there is a simulated LINE."""
        return self._url is not None

    async def show(self, visit: Visit) -> Response:
        """The page."""
        return await self._answer(visit, "wall.html")

    async def show_live(self, visit: Visit) -> Response:
        """The phones alone, fetched again every second."""
        return await self._answer(visit, "_wall.html")

    async def switch(self, visit: Visit) -> Response:
        """Give everything one fate, or end that."""
        if self._url is None:
            return missing(visit, "sandbox")
        kind, name = visit.form.text("kind"), visit.form.text("fate")
        path = "/simulator/sms/fate" if kind == "sms" else "/simulator/fate"
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.put(self._url + path, json={"all": name}) as answer,
            ):
                is_done = answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return refused(visit, "The simulated LINE does not answer.")
        what, known = ("SMS", SMS_SWITCHES) if kind == "sms" else ("LINE", LINE_SWITCHES)
        if not is_done:
            return refused(visit, f"{what} knows no fate {name}.")
        return back(visit, "/console/sandbox", f"{what} now: {known.get(name, name)}.")

    async def _answer(self, visit: Visit, template: str) -> Response:
        number = normalise(visit.query.text("number")) or ""
        found = await self._ask(number)
        if found is None:
            return missing(visit, "sandbox")
        messages, sms, channels, fates, sms_fates = found
        return page(
            visit,
            template,
            phones=_phones(messages.get("messages", []), sms.get("messages", [])),
            fate=next((each["fate"] for each in channels), "normal"),
            switches=LINE_SWITCHES,
            sms_switches=SMS_SWITCHES,
            fates=fates.get("fates", []),
            sms_fates=sms_fates.get("fates", []),
            sms_fate=sms_fates.get("all", "normal"),
            each=_EACH,
            number=f"+{number}" if number else "",
            most=_PHONES,
        )

    async def _ask(self, number: str) -> list[Any] | None:
        """What the simulator tells, of one number or all; None if it does not answer."""
        if self._url is None:
            return None
        paths = (
            f"/simulator/messages?limit={_LATEST}&to={number}",
            f"/simulator/sms?limit={_LATEST}&to={number}",
            "/simulator/channels",
            "/simulator/fates",
            "/simulator/sms/fates",
        )
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            try:
                return await asyncio.gather(*(_get(session, self._url + path) for path in paths))
            except (aiohttp.ClientError, TimeoutError):
                return None


async def _get(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as answer:
        return json.loads(await answer.read()) if answer.status == 200 else {}


def _phones(messages: list[Any], sms: list[Any]) -> list[dict[str, Any]]:
    """The phones that something reached last, each with its newest messages."""
    by_number: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in messages:
        content = message["content"]
        alt_text, drawn = draw_content(content[0] if isinstance(content, list) else content)
        number = message["to"] or message["hash"][:12]
        by_number[number].append(
            {"at": _read(message["at"]), "kind": "LINE", "text": alt_text, "drawn": drawn}
        )
    for each in sms:
        by_number[each["to"]].append(
            {"at": _read(each["at"]), "kind": "SMS", "text": each["text"], "from": each["from"]}
        )
    phones: list[dict[str, Any]] = [
        {"number": number, "shown": sorted(shown, key=_at, reverse=True)}
        for number, shown in by_number.items()
    ]
    phones.sort(key=lambda phone: _at(phone["shown"][0]), reverse=True)
    return phones[:_PHONES]


def _at(shown: dict[str, Any]) -> datetime:
    at: datetime = shown["at"]
    return at


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text)
