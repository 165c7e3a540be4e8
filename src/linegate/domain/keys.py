"""API keys: what they look like, what they may do, and what of them is stored."""

from hashlib import sha256

__all__ = [
    "ALL_SCOPES",
    "KNOWN_SCOPES",
    "LOGS",
    "MANAGE",
    "OPERATE",
    "OPERATOR_READ",
    "SEND",
    "SUBSCRIPTIONS",
    "digest_of",
    "format_key",
]

SEND = frozenset({"message:send", "line:message:send", "line:manage"})
LOGS = frozenset({"line:logs:read", "line:manage"})
MANAGE = frozenset({"line:manage"})
SUBSCRIPTIONS = frozenset({"subscriptions:manage"})

# What a key may do that was made without `--scope`: everything of its account.
ALL_SCOPES = (
    "message:send",
    "line:message:send",
    "line:manage",
    "line:logs:read",
    "application-entity:manage",
    "subscriptions:manage",
    "metrics:read",
)

# Of an operator, over all accounts: only where a key or user was given them by name.
OPERATE = frozenset({"operator:manage"})
OPERATOR_READ = frozenset({"operator:read", "operator:manage"})

KNOWN_SCOPES = (*ALL_SCOPES, "operator:read", "operator:manage")


def format_key(public: bytes, secret: bytes) -> str:
    """A key from 16 and 16 random bytes, in the published shape: 32 hex digits, a dash, a UUID.

    Source: the sample key of the published authentication page (FACTS B4.1).
    """
    tail = secret.hex()
    uuid = "-".join((tail[:8], tail[8:12], tail[12:16], tail[16:20], tail[20:]))
    return f"{public.hex()}-{uuid}"


def digest_of(key: str) -> bytes:
    """What is stored: the key has 256 random bits, so a plain SHA-256 cannot be guessed back."""
    return sha256(key.encode()).digest()
