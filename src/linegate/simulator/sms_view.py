"""The simulated SMSC's own interface, `/simulator/sms...`: what phones showed, and its switch."""

from dataclasses import asdict
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from linegate.simulator.replies import json_reply, local_only, refuse, whole_number
from linegate.simulator.smsc import Smsc
from linegate.simulator.smsc_fates import SMS_FATES, SMS_SWITCHES

__all__ = ["SmsView"]


class _Switch(msgspec.Struct, forbid_unknown_fields=True):
    all: str


class SmsView:
    """Handlers of `/simulator/sms`; each docstring is its documentation."""

    def __init__(self, smsc: Smsc) -> None:
        self._smsc = smsc

    def routes(self, *, anywhere: bool) -> list[Route]:
        """All routes, for this machine only unless `anywhere`."""
        table = (
            ("GET", "/simulator/sms", self.messages),
            ("DELETE", "/simulator/sms", self.reset),
            ("GET", "/simulator/sms/fates", self.fates),
            ("PUT", "/simulator/sms/fate", self.switch),
        )
        return [
            Route(path, local_only(handler, anywhere), methods=[method])
            for method, path, handler in table
        ]

    async def messages(self, request: Request) -> Response:
        """What phones showed, newest first, and counts; `limit` (50), `to` (a number)."""
        limit = whole_number(request, "limit", 50)
        number = request.query_params.get("to", "").strip().removeprefix("+")
        chosen = [sms for sms in reversed(self._smsc.phones.shown) if number in ("", sms.to)]
        shown = [
            {
                "to": f"+{sms.to}",
                "from": sms.sender,
                "text": sms.text,
                "parts": sms.parts,
                "at": datetime.fromtimestamp(sms.at, UTC).isoformat(timespec="milliseconds"),
            }
            for sms in chosen[:limit]
        ]
        return json_reply({"messages": shown, "total": len(chosen), "counts": self._smsc.counts})

    async def reset(self, request: Request) -> Response:
        """Forget the messages and begin the counts anew."""
        self._smsc.phones.shown.clear()
        self._smsc.counts.clear()
        return json_reply({})

    async def fates(self, request: Request) -> Response:
        """The table of fates, chosen by the third digit from the end, and the switch (`all`)."""
        switched = self._smsc.switch.name if self._smsc.switch else "normal"
        return json_reply({"fates": [asdict(fate) for fate in SMS_FATES], "all": switched})

    async def switch(self, request: Request) -> Response:
        """Give every submit one fate (`{"all": "closed"}`), or end that (`{"all": "normal"}`)."""
        try:
            wanted = msgspec.json.decode(await request.body(), type=_Switch)
        except msgspec.DecodeError as error:
            return refuse(str(error))
        if wanted.all not in SMS_SWITCHES:
            return refuse(f"no such fate; one of {', '.join(SMS_SWITCHES)}")
        self._smsc.set_switch(wanted.all)
        return json_reply({"all": wanted.all})
