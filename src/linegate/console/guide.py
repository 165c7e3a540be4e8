"""The first run: what is there, what is missing, and the next step, to a delivered message."""

from dataclasses import dataclass

from starlette.responses import Response

from linegate.console.pages import page
from linegate.console.visit import Visit
from linegate.postgres.console import has_delivered
from linegate.postgres.directory import default_endpoint
from linegate.postgres.identities import list_keys
from linegate.postgres.pool import Pool
from linegate.postgres.senders import list_senders
from linegate.postgres.sms_routes import list_routes

__all__ = ["Guide", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step. is_needed: nothing is delivered without it."""

    title: str
    words: str
    path: str
    is_done: bool
    is_needed: bool = True


class Guide:
    """Leads through the set-up of the account that is acted for."""

    def __init__(self, pool: Pool, *, is_sandbox: bool) -> None:
        """Read over `pool`; is_sandbox: LINE is a simulated one."""
        self._pool = pool
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
        first = senders[0] if senders else None
        steps = [
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
            ),
            Step(
                "Create a key",
                "What your system's requests are known by. It is shown once.",
                "/console/keys",
                any(key.enabled for key in keys),
            ),
            Step(
                "Send a test message",
                _test_words(is_sandbox=self._is_sandbox),
                "/console/compose",
                is_delivered,
            ),
            Step(
                "Say where reports go",
                "A URL that linegate pushes delivery reports to; they can also be pulled.",
                "/console/webhooks",
                endpoint is not None,
                is_needed=False,
            ),
            Step(
                "Add an SMS route",
                "Carries what LINE does not deliver, for messages that ask for it.",
                "/console/senders",
                bool(routes),
                is_needed=False,
            ),
        ]
        return page(visit, "guide.html", steps=steps, is_sandbox=self._is_sandbox)


def _test_words(*, is_sandbox: bool) -> str:
    if is_sandbox:
        return (
            "To +819010000001, which the simulated LINE delivers at once; watch it under Sandbox."
        )
    return "To your own number: it must be registered with LINE and have agreed to notifications."
