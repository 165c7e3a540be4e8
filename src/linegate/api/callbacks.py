"""POST /line/webhook/{sender}: LINE's events. On disk before the 200, and well within 2 s."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from linegate.api.body import read_bounded
from linegate.api.directory import Directory
from linegate.api.problems import problem
from linegate.clock import Clock
from linegate.dispatch.receipts import Receipts
from linegate.line.events import read_call, verify_signature
from linegate.line.tag import read_tag
from linegate.metrics import Metrics
from linegate.postgres.directory import Sender
from linegate.postgres.dispatching import Arrived
from linegate.relay.inbox import RelayInbox

__all__ = ["LineWebhook"]

_REMEMBERED = 10_000
_LONGEST = 2 * 1024 * 1024  # bytes; read before anybody has shown who they are


class LineWebhook:
    """Takes LINE's calls for every sender."""

    def __init__(
        self,
        directory: Directory,
        receipts: Receipts,
        relay: RelayInbox,
        clock: Clock,
        metrics: Metrics,
        opened: Callable[[str, bytes], str],
    ) -> None:
        """Find senders in `directory`, hand our events to `receipts`, others to `relay`.

        `opened` gives the secret behind a sealed one of a sender, by the sender's name.
        """
        self._directory = directory
        self._receipts = receipts
        self._relay = relay
        self._clock = clock
        self._metrics = metrics
        self._opened = opened
        self._secrets: dict[bytes, bytes] = {}

    async def __call__(self, request: Request) -> Response:
        """Check the signature on the raw body, write the delivery events, answer.

        An unknown sender and a wrong signature get the same answer: nobody learns which senders
        there are.
        """
        # Of any media type: a bot that relays LINE's call may have lost it. The signature counts.
        body = await read_bounded(request, _LONGEST)
        now = self._clock.now()
        name = request.path_params["sender"]
        sender = None if "\0" in name else await self._directory.sender(name, now)
        header = request.headers.get("x-line-signature", "")
        if sender is None or not verify_signature(self._secret(sender), body, header):
            self._metrics.events_refused.labels("signature").inc()
            return problem(401, request.headers.get("accept"))
        call = read_call(body)
        if call is None:
            self._metrics.events_refused.labels("body").inc()
            return problem(400, request.headers.get("accept"))
        arrived, others = [], call.others
        for event in call.deliveries:
            tag = read_tag(event.tag)
            if tag is None:
                others += 1
            else:
                arrived.append(Arrived(tag[0], tag[1], sender.id, event.at))
        self._metrics.events.labels("foreign").inc(others)
        await self._receipts.take(arrived)
        if others and sender.relays:
            await self._relay.take(sender.id, body, header, now)
        return Response(status_code=200)

    def _secret(self, sender: Sender) -> bytes:
        """The channel secret; opened once for each time it is set."""
        secret = self._secrets.get(sender.channel_secret)
        if secret is None:
            if len(self._secrets) >= _REMEMBERED:
                self._secrets.clear()
            secret = self._opened(sender.name, sender.channel_secret).encode()
            self._secrets[sender.channel_secret] = secret
        return secret
