"""What the simulator is told when it starts. Everything has a default that suits a first try."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["ChannelSettings", "SimulatorSettings"]


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """One Messaging API channel, as an operator would see it in the LINE console.

    webhook_url:  where its events go; empty = the channel has no webhook.
    access_token: a long-lived token, valid for ever; empty = none. Other tokens are
                  issued by the token endpoints, from the id and the secret.
    flexible:     may use `/bot/pnp/push`; without it the answer is 403.
    templated:    may use `/v2/bot/message/pnp/templated/push`.
    redelivery:   repeat failed webhook calls, as the console's switch does (off at LINE).
    assertion_keys: public keys (PEM) of JWT assertions by kid, as registered in the console.
    """

    channel_id: str
    channel_secret: str
    webhook_url: str = ""
    access_token: str = ""
    flexible: bool = True
    templated: bool = True
    redelivery: bool = False
    assertion_keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """The whole simulator. Durations are seconds.

    rate_limit:      requests a second to one channel and endpoint; 0 = no limit.
                     Source: LINE reference, "Rate limits": 2,000 (FACTS A1.1).
    events_per_call: most events in one webhook call.
    linger:          how long an event waits for company before its call leaves.
    event_calls:     webhook calls under way at once, for each channel.
    event_timeout:   LINE gives a webhook 2 seconds (FACTS A3.3).
    delay_factor:    multiplies every delay in the table of fates; tests use a small one.
    hold:            how long a request is held that gets no answer.
    counts_at_once:  show today's counts as ready; LINE shows them the day after.
    remembered_messages, remembered_arrivals, remembered_pairs: bounds of what is kept in
                     memory: messages shown, arrival times and duplicates looked for.
    smpp:            a socket that listens for the simulated SMSC; None: there is no SMSC.
    admin_from_anywhere: answer `/simulator` and `GET /subscriber` beyond loopback as well.
    wall:            seconds since 1970; ticks: a clock that only goes forward.
    """

    channels: tuple[ChannelSettings, ...] = ()
    rate_limit: float = 2000.0
    events_per_call: int = 20
    linger: float = 0.02
    event_calls: int = 64
    event_timeout: float = 2.0
    delay_factor: float = 1.0
    hold: float = 120.0
    counts_at_once: bool = False
    remembered_messages: int = 1_000
    remembered_arrivals: int = 100_000
    remembered_pairs: int = 500_000
    smpp: socket.socket | None = None
    admin_from_anywhere: bool = False
    wall: Callable[[], float] = field(default=time.time, repr=False)
    ticks: Callable[[], float] = field(default=time.monotonic, repr=False)
