"""From a sender's sealed credentials to its source of tokens."""

from collections.abc import Callable

from linegate.clock import Clock
from linegate.line.assertion import AssertionKey
from linegate.line.client import LineClient
from linegate.line.tokens import (
    FixedToken,
    RenewedToken,
    TokenSource,
    by_assertion,
    by_channel_secret,
)
from linegate.postgres.directory import SenderRow
from linegate.sealing import sender_context
from linegate.vault import Vault

__all__ = ["token_sources"]


def token_sources(
    vault: Vault, line: LineClient, clock: Clock
) -> Callable[[SenderRow], TokenSource]:
    """What makes the token source of any sender.

    A long-lived token goes before an assertion key, and that before the channel secret, which
    every sender has since it signs LINE's events.
    """

    def source(row: SenderRow) -> TokenSource:
        if row.access_token is not None:
            context = sender_context(row.name, "token")
            return FixedToken(vault.open(row.access_token, context=context))
        if row.assertion_key is not None and row.assertion_kid is not None:
            context = sender_context(row.name, "assertion_key")
            key = AssertionKey(row.assertion_kid, vault.open(row.assertion_key, context=context))
            return RenewedToken(
                by_assertion(line, channel_id=row.channel_id, key=key, clock=clock), clock
            )
        secret = vault.open(row.channel_secret, context=sender_context(row.name, "secret"))
        issue = by_channel_secret(line, channel_id=row.channel_id, channel_secret=secret)
        return RenewedToken(issue, clock)

    return source
