"""The first run: what is there, what is missing, and the next step, to a delivered message."""

import json
from dataclasses import dataclass
from datetime import timedelta

from starlette.responses import Response

from linegate.console.answers import missing
from linegate.console.compose import FIRST_CONTENT
from linegate.console.hands import Hands
from linegate.console.pages import page
from linegate.console.visit import Visit
from linegate.domain.ids import read_public_id
from linegate.domain.keys import MANAGE, SEND
from linegate.postgres.console import account_of_message, has_delivered
from linegate.postgres.directory import default_endpoint
from linegate.postgres.identities import list_keys
from linegate.postgres.logs import load_logged
from linegate.postgres.pool import Pool
from linegate.postgres.senders import SenderListed, list_senders
from linegate.postgres.sms_routes import list_routes

__all__ = ["Guide", "Step"]

_TAKEN_WITHIN = timedelta(seconds=10)
_SANDBOX_NUMBER = "+819010000001"
"""A number that the simulated LINE delivers to at once."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. is_needed: nothing is delivered without it.

    piece: what is done on the page itself: `check`, `send`, or nothing.
    """

    title: str
    words: str
    path: str
    is_done: bool
    is_needed: bool = True
    piece: str = ""


class Guide:
    """Leads through the set-up of the account that is acted for."""

    def __init__(self, pool: Pool, hands: Hands, *, is_sandbox: bool) -> None:
        """Read over `pool`; check and send through `hands`. is_sandbox: LINE is a simulated one."""
        self._pool = pool
        self._hands = hands
        self._is_sandbox = is_sandbox

    async def show(self, visit: Visit) -> Response:
        """The steps, each done or to be done."""
        account_id = visit.viewer.acting_id
        async with self._pool.acquire() as conn:
            senders = await list_senders(conn, account_id)
            keys = await list_keys(conn, account_id)
            routes = await list_routes(conn, account_id)
            endpoint = await default_endpoint(conn, account_id)
            is_delivered = await has_delivered(conn, account_id)
        has_key = any(key.enabled for key in keys)
        needed = _needed(
            senders[0] if senders else None,
            has_key=has_key,
            is_delivered=is_delivered,
            is_sandbox=self._is_sandbox,
        )
        steps = [*needed, *_besides(has_endpoint=endpoint is not None, has_route=bool(routes))]
        return page(
            visit,
            "guide.html",
            steps=steps,
            is_sandbox=self._is_sandbox,
            number=_SANDBOX_NUMBER if self._is_sandbox else "",
            may_send=visit.viewer.may(SEND),
            may_check=visit.viewer.may(MANAGE),
        )

    async def check(self, visit: Visit) -> Response:
        """Ask LINE about the first sender; a piece of the page."""
        account_id = visit.viewer.acting_id
        async with self._pool.acquire() as conn:
            senders = await list_senders(conn, account_id)
        if not senders:
            return missing(visit, "sender")
        findings = await self._hands.check_sender(account_id, senders[0].name)
        return page(visit, "_checked.html", sender=senders[0].name, findings=findings)

    async def send(self, visit: Visit) -> Response:
        """Send the first message; a piece of the page, which then follows it."""
        account_id = visit.viewer.acting_id
        async with self._pool.acquire() as conn:
            senders = await list_senders(conn, account_id)
        if not senders:
            return missing(visit, "sender")
        message = {
            "sender": senders[0].name,
            "destinations": [{"to": visit.form.text("to")}],
            "content": FIRST_CONTENT,
        }
        body = json.dumps({"messages": [message]}).encode()
        sent = await self._hands.send(account_id, visit.actor, body)
        if sent.violations:
            violations = [(each.property, each.violation) for each in sent.violations]
            return page(visit, "_sent.html", sent=None, violations=violations)
        return await self._followed(visit, sent.message_id)

    async def follow(self, visit: Visit) -> Response:
        """How far the first message is; a piece of the page, asked for until it has ended."""
        return await self._followed(visit, visit.path["message_id"])

    async def _followed(self, visit: Visit, name: str) -> Response:
        id_ = read_public_id(name)
        async with self._pool.acquire() as conn:
            owner = None if id_ is None else await account_of_message(conn, id_)
            if id_ is None or owner is None or owner not in visit.viewer.accounts:
                return missing(visit, "message")
            logged = (await load_logged(conn, [id_]))[id_]
            senders = await list_senders(conn, owner)
        sender = next((each for each in senders if each.name == logged.message.sender), None)
        is_left = visit.now - logged.accepted_at > _TAKEN_WITHIN
        return page(visit, "_followed.html", message=logged.message, sender=sender, is_left=is_left)


def _test_words(*, is_sandbox: bool) -> str:
    if is_sandbox:
        words = "which the simulated LINE delivers at once; watch it under Sandbox."
        return f"To {_SANDBOX_NUMBER}, {words}"
    return "To your own number: it must be registered with LINE and have agreed to notifications."


def _needed(
    first: SenderListed | None, *, has_key: bool, is_delivered: bool, is_sandbox: bool
) -> list[Step]:
    """The steps without which nothing is delivered; first: the account's first sender."""
    return [
        Step(
            "Create a sender",
            "The LINE Official Account that messages go out under, with its channel's secret.",
            "/console/senders",
            first is not None,
        ),
        Step(
            "Check it with LINE",
            "Asks LINE for a token, the account and the webhook, and says what is wrong.",
            f"/console/senders/{first.id}" if first else "/console/senders",
            first is not None and first.hold is None and is_delivered,
            piece="check" if first else "",
        ),
        Step(
            "Create a key",
            "What your system's requests are known by. It is shown once.",
            "/console/keys",
            has_key,
        ),
        Step(
            "Send a test message",
            _test_words(is_sandbox=is_sandbox),
            "/console/compose",
            is_delivered,
            piece="send" if first else "",
        ),
    ]


def _besides(*, has_endpoint: bool, has_route: bool) -> list[Step]:
    """What makes it more useful."""
    return [
        Step(
            "Say where reports go",
            "A URL that linegate pushes delivery reports to; they can also be pulled.",
            "/console/webhooks",
            has_endpoint,
            is_needed=False,
        ),
        Step(
            "Add an SMS route",
            "Carries what LINE does not deliver, for messages that ask for it.",
            "/console/senders",
            has_route,
            is_needed=False,
        ),
    ]
