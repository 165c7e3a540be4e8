"""Asks LINE about one channel and says in an operator's words what is wrong.

Sends no message. This file does not know the database or the command line.

Source: Messaging API reference, "Get bot info", "Get webhook endpoint information", "Test webhook
endpoint"; notification messages reference, status codes (FACTS A1.6).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote

from linegate.domain.outcome import Outcome, OutcomeKind
from linegate.line.client import BotInfo, LineClient, WebhookEndpoint, WebhookTest
from linegate.line.tokens import TokenFailure, TokenFault, TokenSource

__all__ = ["Finding", "check_up"]

_LINE_TIME = timedelta(hours=9)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. words: what was found, and what to do if it is not good."""

    what: str
    is_good: bool
    words: str


async def check_up(
    client: LineClient, tokens: TokenSource, *, webhook_name: str, now: datetime
) -> list[Finding]:
    """Everything that can be known without sending; ends where going on makes no sense.

    webhook_name: the last part of the URL that LINE must call for this channel.
    """
    token = await tokens.token()
    if isinstance(token, TokenFailure):
        return [Finding("token", False, _of_failure(token))]
    info = await client.bot_info(token)
    if isinstance(info, Outcome):
        return [Finding("token", False, _of_outcome(info))]
    findings = [Finding("token", True, "LINE takes the access token"), _account(info)]
    findings.append(await _entitlement(client, token, now))
    return findings + await _webhook(client, token, f"/line/webhook/{webhook_name}")


def _account(info: BotInfo) -> Finding:
    return Finding("account", True, f"Official Account {info.display_name} ({info.basic_id})")


async def _entitlement(client: LineClient, token: str, now: datetime) -> Finding:
    """Whether the channel may use notification messages: LINE tells by letting it count them."""
    day = (now + _LINE_TIME).date() - timedelta(days=1)
    count = await client.count_delivered(token, day, templated=False)
    if isinstance(count, Outcome) and count.kind is OutcomeKind.FORBIDDEN:
        words = (
            "LINE does not let this account use notification messages: apply for them with your"
            " sales representative at LINE, or use the channel that was applied for"
        )
        return Finding("entitlement", False, words)
    if isinstance(count, Outcome):
        return Finding("entitlement", False, _of_outcome(count))
    return Finding("entitlement", True, "LINE lets this account use notification messages")


async def _webhook(client: LineClient, token: str, path: str) -> list[Finding]:
    endpoint = await client.webhook_endpoint(token)
    if isinstance(endpoint, Outcome):
        words = (
            f"no webhook URL is set: enter one that ends in {path} in LINE's console"
            if endpoint.code == 404
            else _of_outcome(endpoint)
        )
        return [Finding("webhook", False, words)]
    finding = _endpoint(endpoint, path)
    if not finding.is_good:
        return [finding]
    return [finding, _tested(await client.test_webhook(token))]


def _endpoint(endpoint: WebhookEndpoint, path: str) -> Finding:
    if not unquote(endpoint.endpoint).endswith(path):
        words = (
            f"LINE sends its events to {endpoint.endpoint}, not to a URL that ends in {path}:"
            " change it in LINE's console, or let your bot relay delivery events here; without"
            " them no message is known to be delivered"
        )
        return Finding("webhook", False, words)
    if not endpoint.active:
        words = "the webhook is switched off: switch 'Use webhook' on in LINE's console"
        return Finding("webhook", False, words)
    return Finding("webhook", True, f"LINE sends its events to {endpoint.endpoint}")


def _tested(test: WebhookTest | Outcome) -> Finding:
    if isinstance(test, Outcome):
        return Finding("webhook test", False, _of_outcome(test))
    if test.success:
        return Finding("webhook test", True, "LINE called the webhook and was answered")
    if test.status_code == 401:
        words = (
            "linegate refused LINE's test call (401): the channel secret is not this channel's;"
            " copy it anew with 'linegate sender set --channel-secret-file'"
        )
    elif test.status_code:
        words = f"LINE's test call was answered with {test.status_code} instead of 200"
    else:
        words = f"LINE cannot call the webhook ({test.reason}): it must be public https"
    return Finding("webhook test", False, words)


def _of_failure(failure: TokenFailure) -> str:
    if failure.fault is TokenFault.UNREACHABLE:
        return f"LINE cannot be asked for a token now: {failure.detail}"
    said = f": {failure.detail}" if failure.detail else ""
    return (
        f"LINE issues no token (status {failure.code}{said}): check the channel id and"
        " secret, or that the assertion key is registered under this kid, in LINE's console"
    )


def _of_outcome(outcome: Outcome) -> str:
    match outcome.kind:
        case OutcomeKind.UNAUTHORISED:
            return (
                "LINE refuses the access token: it has expired, was revoked or is another"
                " channel's; issue one in LINE's console and set it with 'linegate sender set'"
            )
        case OutcomeKind.UNSENT:
            return f"LINE cannot be reached: {outcome.detail}"
        case OutcomeKind.SLOWED:
            return "LINE's limit for such questions is used up: ask again in an hour"
        case _:
            return f"LINE answered {outcome.code or 'nothing'}: {outcome.detail}"
