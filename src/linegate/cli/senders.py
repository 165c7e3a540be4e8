"""Commands: `linegate sender`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from linegate.admin.desired import Sender
from linegate.admin.removal import drop_sender
from linegate.admin.senders import pause_sender, put_sender
from linegate.cli.accounts import AccountName, account_id_of
from linegate.cli.console import CommandError, JsonFlag, read_settings, show, with_store
from linegate.cli.sender_words import hold_words, shown_sender
from linegate.cli.setting import asked, at_account
from linegate.clock import SystemClock
from linegate.credentials import token_sources
from linegate.line.checkup import Finding, check_up
from linegate.line.client import LineClient
from linegate.postgres.directory import find_sender
from linegate.postgres.senders import SenderListed, list_senders, load_sender
from linegate.postgres.store import Store
from linegate.webhook.guard import Guard

__all__ = ["create_sender", "sender"]

sender = typer.Typer(help="Senders: LINE Official Accounts.", no_args_is_help=True)

SenderName = Annotated[str, typer.Option("--sender", help="The sender's name.")]
ChannelSecret = Annotated[
    str | None, typer.Option(help="The channel's secret.", envvar="LINEGATE_CHANNEL_SECRET")
]
ChannelSecretFile = Annotated[
    Path | None, typer.Option(help="A file that holds the secret.", exists=True, dir_okay=False)
]
AccessToken = Annotated[
    str | None,
    typer.Option(
        help="A long-lived channel access token; without it tokens are issued and renewed.",
        envvar="LINEGATE_ACCESS_TOKEN",
    ),
]
AccessTokenFile = Annotated[
    Path | None, typer.Option(help="A file that holds the token.", exists=True, dir_okay=False)
]
AssertionFile = Annotated[
    Path | None,
    typer.Option(
        help="A private key, JWK or PEM, whose public half LINE's console has.",
        exists=True,
        dir_okay=False,
    ),
]
AssertionKid = Annotated[
    str | None, typer.Option(help="The key's id in LINE's console, if the JWK has none.")
]

TemplatePolicy = Annotated[
    Literal["optional", "required"] | None,
    typer.Option(help="required: it takes only content that matches an approved template."),
]
StrictTemplates = Annotated[
    bool | None,
    typer.Option(
        "--strict-templates/--lenient-templates",
        help="Refuse keys of LINE's templates that are not in the catalogue.",
    ),
]
LineCountry = Annotated[
    Literal["JP", "TH", "TW"] | None, typer.Option(help="The Official Account's country.")
]


@sender.command("create")
def sender_create(
    owner: AccountName,
    name: Annotated[str, typer.Option("--sender", help="Its name, as requests give it.")],
    channel_id: Annotated[str, typer.Option(help="The Messaging API channel's id.")],
    channel_secret: ChannelSecret = None,
    channel_secret_file: ChannelSecretFile = None,
    access_token: AccessToken = None,
    access_token_file: AccessTokenFile = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Create a sender and print its id. LINE's events go to /line/webhook/NAME."""
    secret = _given(channel_secret, channel_secret_file)
    if secret is None:
        raise typer.BadParameter(
            "--channel-secret, its variable or --channel-secret-file is needed"
        )
    token = _given(access_token, access_token_file)
    id_ = with_store(
        lambda store: create_sender(
            store, owner, name, channel_id=channel_id, channel_secret=secret, token=token
        )
    )
    show({"id": id_, "sender": name}, as_json=as_json, plain=str(id_))


@sender.command("set")
def sender_set(  # noqa: PLR0913, PLR0917 - one option each
    owner: AccountName,
    name: SenderName,
    channel_secret: ChannelSecret = None,
    channel_secret_file: ChannelSecretFile = None,
    access_token: AccessToken = None,
    access_token_file: AccessTokenFile = None,
    no_access_token: Annotated[
        bool, typer.Option("--no-access-token", help="Issue tokens instead.")
    ] = False,
    assertion_key_file: AssertionFile = None,
    assertion_kid: AssertionKid = None,
    no_assertion_key: Annotated[
        bool, typer.Option("--no-assertion-key", help="Use the channel secret instead.")
    ] = False,
    countries: Annotated[
        str | None, typer.Option(help="Countries it sends to, as JP,TH,TW.")
    ] = None,
    relay_url: Annotated[
        str | None, typer.Option(help="The bot's URL that gets events that are not ours.")
    ] = None,
    no_relay: Annotated[bool, typer.Option("--no-relay", help="Forward nothing.")] = False,
    templates: TemplatePolicy = None,
    strict_templates: StrictTemplates = None,
    line_country: LineCountry = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Change a sender; what is not given stays. Counts within 2 seconds."""
    secret = _given(channel_secret, channel_secret_file)
    token = _given(access_token, access_token_file)

    async def work(store: Store) -> None:
        tree = {
            "channelSecret": secret,
            "accessToken": "none" if no_access_token else token,
            "assertionKey": "none" if no_assertion_key else _given(None, assertion_key_file),
            "assertionKid": assertion_kid,
            "relayUrl": "none" if no_relay else _checked_url(relay_url),
            "countries": _countries(countries),
            "templates": templates,
            "strictTemplates": strict_templates,
            "lineCountry": line_country,
        }
        async with at_account(store, owner) as (conn, place):
            if await load_sender(conn, place.account_id, name) is None:
                raise CommandError(f"{owner} has no sender {name}")
            await put_sender(conn, asked(tree, Sender, name=name), place)

    with_store(work)
    show({"sender": name}, as_json=as_json, plain=name)


@sender.command("list")
def sender_list(owner: AccountName, as_json: Annotated[bool, JsonFlag] = False) -> None:
    """List an account's senders, and why LINE does not take their messages if it does not."""

    async def work(store: Store) -> list[SenderListed]:
        async with store.pool.acquire() as conn:
            return await list_senders(conn, await account_id_of(conn, owner))

    senders = with_store(work)
    lines = [f"{each.name}\t{each.channel_id}\t{hold_words(each)}" for each in senders]
    shown = [shown_sender(each) for each in senders]
    show({"account": owner, "senders": shown}, as_json=as_json, plain="\n".join(lines))


@sender.command("pause")
def sender_pause(
    owner: AccountName,
    name: SenderName,
    reason: Annotated[str, typer.Option(help="Why, for those who look later.")] = "",
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Send nothing more of a sender until it is resumed. Validity periods go on running."""

    _hold(owner, name, paused=True, reason=reason)
    show({"sender": name, "hold": "paused"}, as_json=as_json, plain=name)


@sender.command("resume")
def sender_resume(
    owner: AccountName, name: SenderName, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Let a sender go on, whatever it was held for; LINE is asked again."""

    _hold(owner, name, paused=False)
    show({"sender": name, "hold": None}, as_json=as_json, plain=name)


@sender.command("remove")
def sender_remove(
    owner: AccountName, name: SenderName, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Remove a sender that has never sent; one that has can be paused."""

    async def work(store: Store) -> None:
        async with at_account(store, owner) as (conn, place):
            if not await drop_sender(conn, name, place):
                raise CommandError(f"{owner} has no sender {name}")

    with_store(work)
    show({"sender": name, "removed": True}, as_json=as_json, plain=name)


def _hold(owner: str, name: str, *, paused: bool, reason: str = "") -> None:
    async def work(store: Store) -> None:
        async with at_account(store, owner) as (conn, place):
            if not await pause_sender(conn, name, paused=paused, reason=reason, place=place):
                raise CommandError(f"{owner} has no sender {name}")

    with_store(work)


@sender.command("check")
def sender_check(
    owner: AccountName, name: SenderName, as_json: Annotated[bool, JsonFlag] = False
) -> None:
    """Ask LINE about a sender: token, account, webhook. Exits with 1 if something is wrong."""
    settings = read_settings()

    async def work(store: Store) -> list[Finding]:
        async with store.pool.acquire() as conn:
            account_id = await account_id_of(conn, owner)
            row = await load_sender(conn, account_id, name)
            listed = {each.name: each for each in await list_senders(conn, account_id)}
        if row is None:
            raise CommandError(f"{owner} has no sender {name}")
        clock = SystemClock()
        async with LineClient(settings.line_api_url) as line:
            found = await check_up(
                line,
                token_sources(store.vault, line, clock)(row),
                webhook_name=name,
                now=clock.now(),
            )
        state = listed[name]
        is_well = state.hold is None and state.deaf_at is None
        return [Finding("state", is_well, hold_words(state)), *found]

    findings = with_store(work)
    plain = "\n".join(f"{'ok ' if each.is_good else 'BAD'}  {each.words}" for each in findings)
    told = [{"what": each.what, "good": each.is_good, "words": each.words} for each in findings]
    is_good = all(each.is_good for each in findings)
    show({"sender": name, "good": is_good, "findings": told}, as_json=as_json, plain=plain)
    if not is_good:
        raise typer.Exit(1)


async def create_sender(
    store: Store, owner: str, name: str, *, channel_id: str, channel_secret: str, token: str | None
) -> int:
    """Create a sender of an account; gives its id."""
    tree = {"channelId": channel_id, "channelSecret": channel_secret, "accessToken": token}
    async with at_account(store, owner) as (conn, place):
        if await find_sender(conn, name) is not None:
            raise CommandError(f"there is a sender named {name} already in this installation")
        await put_sender(conn, asked(tree, Sender, name=name), place)
        made = await load_sender(conn, place.account_id, name)
    return made.id if made is not None else 0


def _given(value: str | None, file: Path | None) -> str | None:
    """A secret from the option, its variable or its file."""
    if value is None and file is not None:
        value = file.read_text(encoding="utf-8").strip()
    return value or None


def _checked_url(url: str | None) -> str | None:
    """A relay URL that may be called. Private addresses are refused when it is called."""
    refusal = Guard(allow_private=read_settings().webhook_allow_private).refusal_of(url or "")
    if url is not None and refusal is not None:
        raise CommandError(f"--relay-url: {refusal}")
    return url


def _countries(text: str | None) -> list[str] | None:
    """ISO codes, one after the other."""
    if text is None:
        return None
    return sorted({part.strip().upper() for part in text.split(",") if part.strip()})
