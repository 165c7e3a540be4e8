"""POST /sms/receipts/{token}: receipts of HTTP providers. On disk before the 200.

The token in the path names the route and is hard to guess: it is all that Infobip's calls are known
by. Twilio's are signed besides, over the URL as we gave it.
"""

from collections.abc import Callable
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from linegate.api.body import read_bounded
from linegate.api.memory import REMEMBERED_FOR, Memory
from linegate.api.problems import problem
from linegate.clock import Clock
from linegate.dispatch.sms_receipts import SmsReceipts
from linegate.domain.transport import Receipt
from linegate.metrics import Metrics
from linegate.postgres.pool import Pool
from linegate.postgres.sms_routes import RouteRow, find_callback_route
from linegate.sms.infobip.answers import read_reports
from linegate.sms.route_url import RouteUrl
from linegate.sms.twilio.answers import read_status
from linegate.sms.twilio.signature import verify
from linegate.sms.twilio.transport import TwilioOptions

__all__ = ["SmsWebhook", "callback_url"]

_LONGEST = 1024 * 1024  # bytes
_PATH = "/sms/receipts/"


def callback_url(public_url: str | None, token: str) -> str:
    """Where a route's provider calls; empty if we do not know how we can be reached."""
    return f"{public_url}{_PATH}{token}" if public_url else ""


class SmsWebhook:
    """Takes the calls of all HTTP providers."""

    def __init__(
        self,
        pool: Pool,
        receipts: SmsReceipts,
        clock: Clock,
        metrics: Metrics,
        opened: Callable[[RouteRow], RouteUrl],
        public_url: str | None,
    ) -> None:
        """Hand receipts to `receipts`. `opened` gives a route's unsealed URL."""
        self._pool = pool
        self._receipts = receipts
        self._clock = clock
        self._metrics = metrics
        self._opened = opened
        self._public_url = public_url
        self._routes: Memory[str, RouteRow] = Memory(self._load, REMEMBERED_FOR)

    async def __call__(self, request: Request) -> Response:
        """Check who calls, write the receipts, answer.

        An unknown token and a wrong signature get the same answer.
        """
        token = request.path_params["token"]
        route = await self._routes.get(token, self._clock.now())
        body = await read_bounded(request, _LONGEST)
        if route is None:
            return self._refused(request, 401, "token")
        if route.kind == "twilio":
            form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
            if not self._is_signed(route, request, form):
                return self._refused(request, 401, "signature")
            receipt = read_status(form, request.query_params.get("ref", ""))
            receipts: list[Receipt] | None = None if receipt is None else [receipt]
        else:
            receipts = read_reports(body)
        if receipts is None:
            return self._refused(request, 400, "body")
        await self._receipts.take(route.id, receipts)
        return Response(status_code=200)

    def _is_signed(self, route: RouteRow, request: Request, form: dict[str, str]) -> bool:
        options = self._opened(route).options
        assert isinstance(options, TwilioOptions)
        query = f"?{request.url.query}" if request.url.query else ""
        url = callback_url(self._public_url, route.callback_token) + query
        return verify(options.token, url, form, request.headers.get("x-twilio-signature"))

    def _refused(self, request: Request, status: int, reason: str) -> Response:
        self._metrics.events_refused.labels(f"sms {reason}").inc()
        return problem(status, request.headers.get("accept"))

    async def _load(self, token: str) -> RouteRow | None:
        async with self._pool.acquire() as conn:
            return await find_callback_route(conn, token)
