"""`linegate up --sandbox`: a ready account, sender and key on a simulated LINE."""

import asyncio
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from linegate.api.passwords import hash_password
from linegate.cli.accounts import account_id_of, create_account
from linegate.cli.keys import create_key
from linegate.cli.senders import create_sender
from linegate.cli.sms_routes import RouteAsked, ensure_route
from linegate.cli.users import make_link
from linegate.clock import SystemClock
from linegate.config import Settings
from linegate.domain.keys import ALL_SCOPES, digest_of
from linegate.postgres.console import make_operator
from linegate.postgres.directory import find_account, find_sender
from linegate.postgres.identities import find_key, find_user, insert_user
from linegate.postgres.pool import transaction
from linegate.postgres.store import Store

__all__ = ["Sandbox", "banner", "prepare"]

ACCOUNT = "sandbox"
SENDER = "SANDBOX"
CHANNEL_ID = "1000000001"
CHANNEL_SECRET = "5a6d9b0c1e2f48a7b3c4d5e6f7081920"  # noqa: S105 - of the simulator alone
SMS_SENDER = "SANDBOX"
_PORT = 8090
_SMPP_PORT = 2775
_BUBBLE = (
    '{"type":"BUBBLE","body":{"layout":"VERTICAL","contents":'
    '[{"type":"TEXT","text":"Your order has shipped","weight":"BOLD"}]}}'
)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What was set up. key: of the account `sandbox`.

    listening: the simulated LINE's socket. It is opened here and handed to the child, so that
               nobody else can have the port and a child that is started again has the same.
    """

    key: str
    listening: socket.socket
    smpp: socket.socket
    webhook_url: str
    console_path: str

    @property
    def line_url(self) -> str:
        """The simulated LINE's base URL."""
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    async def configure(self) -> None:
        """Tell the simulator of its channel, once it listens."""
        channel = {
            "channelId": CHANNEL_ID,
            "channelSecret": CHANNEL_SECRET,
            "webhookUrl": self.webhook_url,
        }
        async with aiohttp.ClientSession() as session, asyncio.timeout(30):
            while True:
                try:
                    async with session.post(
                        f"{self.line_url}/simulator/channels", json=channel
                    ) as answer:
                        answer.raise_for_status()
                        return
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)


async def prepare(store: Store, settings: Settings) -> Sandbox:
    """Make account, sender and key if they are missing; the key is kept in the home."""
    async with store.pool.acquire() as conn:
        has_account = await find_account(conn, ACCOUNT) is not None
        has_sender = await find_sender(conn, SENDER) is not None
    if not has_account:
        await create_account(store, ACCOUNT)
    if not has_sender:
        await create_sender(
            store,
            ACCOUNT,
            SENDER,
            channel_id=CHANNEL_ID,
            channel_secret=CHANNEL_SECRET,
            token=None,
        )
    smpp = _listening(_SMPP_PORT)
    url = f"smpp://sandbox:sandbox@127.0.0.1:{smpp.getsockname()[1]}?window=100"
    await ensure_route(store, ACCOUNT, RouteAsked("sandbox", url, default_sender=SMS_SENDER))
    return Sandbox(
        smpp=smpp,
        key=await _key(store, _Kept(settings.home / "sandbox.key")),
        listening=_listening(_PORT),
        webhook_url=f"http://127.0.0.1:{settings.port}/line/webhook/{SENDER}",
        console_path=await _console_path(store),
    )


async def _console_path(store: Store) -> str:
    """A link to the console for a user who logs in by links alone: nobody knows its password."""
    async with transaction(store.pool) as conn:
        user = await find_user(conn, ACCOUNT)
        if user is None:
            await insert_user(
                conn,
                account_id=await account_id_of(conn, ACCOUNT),
                name=ACCOUNT,
                password_hash=hash_password(secrets.token_urlsafe(24)),
                scopes=sorted(ALL_SCOPES),
                networks=(),
                now=SystemClock().now(),
            )
            await make_operator(conn, ACCOUNT, is_operator=True)
            user = await find_user(conn, ACCOUNT)
        assert user is not None
        return await make_link(conn, user)


def banner(url: str, sandbox: Sandbox | None) -> str:
    """What the operator sees when everything runs."""
    lines = [f"linegate listens on {url}"]
    if sandbox is not None:
        lines += [
            f"  console          {url}{sandbox.console_path}",
            "                   (logs in once; another: linegate user link --account sandbox"
            " --user sandbox)",
            f"  simulated LINE   {sandbox.line_url}",
            f"                   (LINEGATE_LINE_API_URL={sandbox.line_url}",
            "                   makes `linegate sender check` ask it)",
            f"  simulated SMSC   {sandbox.line_url}/simulator/sms (what phones showed)",
            f"  sender           {SENDER}",
            f"  key              {sandbox.key}",
            f"  fates by number  {sandbox.line_url}/simulator/fates (docs/reference/sandbox.md)",
            "",
            "Send a message:",
            "",
            f"  curl -s {url}/line/1/messages -H 'Authorization: App {sandbox.key}' \\",
            '    -H \'Content-Type: application/json\' -d \'{"messages":[{"sender":"SANDBOX",',
            '    "destinations":[{"to":"819010000001"}],"content":{"type":"LINE_NOTIFICATION",',
            '    "altText":"Your order has shipped","contents":',
            f"    {_BUBBLE}}}}}]}}'",
            "",
            "and read its delivery report:",
            "",
            f"  curl -s {url}/line/1/reports -H 'Authorization: App {sandbox.key}'",
            "",
        ]
    return "\n".join(lines)


class _Kept:
    """The sandbox's key in a file of the home, for this user alone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str | None:
        return self._path.read_text(encoding="ascii").strip() if self._path.exists() else None

    def write(self, key: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(self._path, flags, 0o600), "w") as file:
            file.write(key + "\n")


async def _key(store: Store, file: _Kept) -> str:
    kept = file.read()
    if kept is not None:
        async with store.pool.acquire() as conn:
            if await find_key(conn, digest_of(kept)) is not None:
                return kept
    made = await create_key(store, ACCOUNT, name="sandbox")
    file.write(made)
    return made


def _listening(wanted: int) -> socket.socket:
    """A socket that listens on the wanted port if nobody has it, else on any other."""
    try:
        return socket.create_server(("127.0.0.1", wanted))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))
