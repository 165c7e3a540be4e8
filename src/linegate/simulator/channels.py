"""The channels of the simulated platform and who may speak for them."""

from collections import deque
from hashlib import sha256

from linegate.simulator.events import EventSender, WebhookClient
from linegate.simulator.fates import Fate
from linegate.simulator.ledger import Shown, Tally
from linegate.simulator.pace import BusiestSecond, TokenBucket
from linegate.simulator.settings import ChannelSettings, SimulatorSettings
from linegate.simulator.tokens import Tokens

__all__ = ["Channel", "Channels", "bot_user_id"]


def bot_user_id(channel_id: str) -> str:
    """The bot's user id, which webhooks carry as `destination`: `U` and 32 hex digits."""
    return "U" + sha256(b"bot of " + channel_id.encode()).hexdigest()[:32]


class Channel:
    """One channel: its settings, its limits, its counts and its events.

    switched: a fate for every message of the channel; None = as the number says.
    answer_after: seconds that every answer takes more.
    """

    def __init__(
        self, given: ChannelSettings, settings: SimulatorSettings, client: WebhookClient
    ) -> None:
        self.given = given
        self.id = given.channel_id
        self.bot = bot_user_id(given.channel_id)
        self.switched: Fate | None = None
        self.answer_after = 0.0
        self.refused_once: set[str] = set()
        self._settings = settings
        self.tally = Tally(settings.remembered_pairs)
        self.pace = BusiestSecond(settings.remembered_arrivals)
        self.rate = settings.rate_limit
        self._buckets: dict[str, TokenBucket] = {}
        self.events = EventSender(
            client,
            bot=self.bot,
            secret=given.channel_secret,
            settings=settings,
        )
        self.events.url = given.webhook_url
        self.events.redelivery = given.redelivery

    def reset(self) -> None:
        """Begin all counts anew."""
        self.tally = Tally(self._settings.remembered_pairs)
        self.pace = BusiestSecond(self._settings.remembered_arrivals)
        self.events.counts.clear()

    def bucket(self, endpoint: str) -> TokenBucket:
        """The rate limit of one endpoint."""
        bucket = self._buckets.get(endpoint)
        if bucket is None or bucket.rate != self.rate:
            bucket = self._buckets[endpoint] = TokenBucket(self.rate)
        return bucket


class Channels:
    """All channels by id, their tokens, and the messages they showed."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.client = WebhookClient(settings.event_timeout)
        self.tokens = Tokens()
        self.by_id: dict[str, Channel] = {}
        self.shown: deque[Shown] = deque(maxlen=settings.remembered_messages)
        self.unauthorised = 0
        for given in settings.channels:
            self.add(given)

    def add(self, given: ChannelSettings) -> Channel:
        """Register a channel; one with the same id is replaced, its counts begin anew."""
        self.tokens.forget(given.channel_id)
        channel = self.by_id[given.channel_id] = Channel(given, self.settings, self.client)
        if given.access_token:
            self.tokens.keep(given.access_token, given.channel_id)
        return channel

    def by_authorization(self, value: bytes) -> Channel | None:
        """The channel an `Authorization` header speaks for; None = 401."""
        if value[:7].lower() != b"bearer ":
            return None
        channel_id = self.tokens.channel_of(value[7:].decode("latin-1"), self.settings.wall())
        return self.by_id.get(channel_id) if channel_id is not None else None

    def reset(self) -> None:
        """Begin all counts anew and forget the messages."""
        self.shown.clear()
        self.unauthorised = 0
        for channel in self.by_id.values():
            channel.reset()

    async def close(self) -> None:
        """Stop all events."""
        for channel in self.by_id.values():
            await channel.events.close()
        await self.client.close()
