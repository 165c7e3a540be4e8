"""A route's transport, from its URL."""

from linegate.clock import Clock
from linegate.domain.transport import OnReceipts, Transport
from linegate.sms.infobip.transport import InfobipOptions, InfobipTransport
from linegate.sms.route_url import RouteUrl
from linegate.sms.smpp.transport import SmppOptions, SmppTransport
from linegate.sms.twilio.transport import TwilioOptions, TwilioTransport

__all__ = ["make_transport"]


def make_transport(
    route: RouteUrl, clock: Clock, on_receipts: OnReceipts, *, name: str, callback_url: str
) -> Transport:
    """A closed transport; `run` opens it.

    name:         the route's, for logs.
    callback_url: where an HTTP provider's receipts shall go; empty: hand-over is the end.
    """
    match route.options:
        case SmppOptions() as smpp:
            return SmppTransport(smpp, clock, on_receipts, name=name)
        case InfobipOptions() as infobip:
            return InfobipTransport(infobip, clock, callback_url=callback_url)
        case TwilioOptions() as twilio:
            return TwilioTransport(twilio, clock, callback_url=callback_url)
