"""What each sealed secret is bound to, so that one copied to another row does not open."""

from typing import Literal

__all__ = ["account_context", "route_context", "sender_context"]


def sender_context(name: str, what: Literal["secret", "token", "assertion_key"]) -> str:
    """The place of a sender's channel secret, access token or assertion key."""
    return f"sender:{name}:{what}"


def account_context(
    name: str,
    what: Literal["webhook_secret", "webhook_profile", "webhook_security", "webhook_certificate"],
) -> str:
    """The place of an account's secrets."""
    return f"account:{name}:{what}"


def route_context(account_id: int, name: str) -> str:
    """The place of an SMS route's URL."""
    return f"sms_route:{account_id}:{name}:url"
