"""Channel access tokens: which there are, how long they live, who they speak for.

Source: LINE reference, "Channel access token" (FACTS A5.1).
"""

from dataclasses import dataclass
from math import inf
from secrets import token_urlsafe

__all__ = ["SHORT_LIVED_SECONDS", "STATELESS_SECONDS", "Token", "Tokens"]

STATELESS_SECONDS = 900
SHORT_LIVED_SECONDS = 2_592_000
_MOST_SHORT_LIVED = 30


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token. kind: `stateless`, `short`, `v2.1` or `long`."""

    channel_id: str
    kind: str
    expires_at: float
    key_id: str = ""


class Tokens:
    """All valid tokens."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def keep(self, token: str, channel_id: str) -> None:
        """Know a long-lived token, as the console issues them."""
        self._tokens[token] = Token(channel_id, "long", inf)

    def issue(self, channel_id: str, kind: str, lifetime: float, now: float) -> str:
        """A new token. Of 30 short-lived ones the oldest makes room, as at LINE."""
        self._drop_expired(now)
        if kind == "short":
            same = [t for t, known in self._of(channel_id) if known.kind == kind]
            for oldest in same[: max(0, len(same) - _MOST_SHORT_LIVED + 1)]:
                del self._tokens[oldest]
        token = token_urlsafe(96)
        self._tokens[token] = Token(channel_id, kind, now + lifetime, token_urlsafe(16))
        return token

    def find(self, token: str, now: float) -> Token | None:
        """What is known of a token that is valid now."""
        known = self._tokens.get(token)
        return known if known is not None and now < known.expires_at else None

    def channel_of(self, token: str, now: float) -> str | None:
        """The id of the channel a valid token speaks for."""
        known = self._tokens.get(token)
        return known.channel_id if known is not None and now < known.expires_at else None

    def count(self, channel_id: str, kind: str, now: float) -> int:
        """How many valid tokens of a kind a channel has."""
        return sum(t.kind == kind and now < t.expires_at for _, t in self._of(channel_id))

    def revoke(self, token: str) -> None:
        """Forget a token; a stateless one cannot be revoked and stays."""
        known = self._tokens.get(token)
        if known is not None and known.kind != "stateless":
            del self._tokens[token]

    def forget(self, channel_id: str) -> None:
        """Forget every token of a channel, stateless ones too."""
        for token, _ in self._of(channel_id):
            del self._tokens[token]

    def _of(self, channel_id: str) -> list[tuple[str, Token]]:
        return [item for item in self._tokens.items() if item[1].channel_id == channel_id]

    def _drop_expired(self, now: float) -> None:
        for token in [t for t, known in self._tokens.items() if known.expires_at <= now]:
            del self._tokens[token]
