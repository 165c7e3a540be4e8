"""Makes this process die at a point that a board names, whatever of linegate runs in it.

The program's own code knows nothing of this. Every statement goes through `Query` and every commit
through the driver's `Transaction`; the calls of other machines leave through the few methods below.
They are wrapped here, before the program starts. Leases that are constants are made short, so that
what a dead process held is free again within seconds instead of a quarter of a minute, and a day's
limit is used up in small portions, so that one is taken for each request.
"""

import functools
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from asyncpg.transaction import Transaction

from linegate.accept import remover
from linegate.api import quotas
from linegate.api.front import Front
from linegate.dispatch import sms_dispatcher, sms_routes, sms_sweeper
from linegate.line.client import LineClient
from linegate.postgres.queries import Query
from linegate.relay import relayer
from linegate.report import pusher
from linegate.sms.http import HttpSender
from linegate.sms.smpp.pdu import DELIVER_SM
from linegate.sms.smpp.session import Session
from linegate.webhook.client import WebhookClient
from support.crash.board import Board
from support.crash.points import WRITES

__all__ = ["ANSWERS", "set_trap"]

_SOON = timedelta(seconds=3)
_HURRIED: tuple[tuple[Any, str, object], ...] = (
    (sms_routes, "_LEASE", _SOON),
    (sms_dispatcher, "_LEASE", _SOON),
    (sms_sweeper.SmsKeeper, "interval", _SOON / 6),
    (quotas, "_LARGEST_PORTION", 5),
    (pusher, "_LEASE_FOR", _SOON),
    (relayer, "_LEASE", _SOON),
    (pusher, "_KEEP_EVERY", _SOON / 6),
    (remover, "ABANDONED_AFTER", _SOON * 2),
    (remover.ImportRemover, "interval", _SOON / 3),
)

# Answers that promise something, by the beginning of the path they are given on.
ANSWERS: tuple[tuple[str, str], ...] = (
    ("/line/1/messages", "answer a request"),
    ("/line/1/reports", "answer a pull"),
    ("/line/1/bulks/import", "answer an import"),
    ("/line/1/bulks", "answer a word to a bulk"),
    ("/line/webhook/", "answer LINE's event"),
    ("/sms/receipts/", "answer the provider's receipt"),
)
_WRITING = frozenset(name for names in WRITES.values() for name in names)


def set_trap(board: Board) -> None:
    """Wrap everything; from now on this process dies where the board says."""
    for owner, name, value in _HURRIED:
        setattr(owner, name, value)
    _watch_statements(board)
    _watch_calls(board)
    _watch_answers(board)


def _watch_statements(board: Board) -> None:
    """Commits: a statement's own, or that of the transaction around it."""
    uncommitted: dict[int, list[str]] = defaultdict(list)

    def watched(kind: str) -> None:
        original = getattr(Query, kind)

        @functools.wraps(original)
        async def run(self: Query, conn: Any, /, **values: object) -> object:
            if self.name not in _WRITING:
                return await original(self, conn, **values)
            if conn.is_in_transaction():
                result = await original(self, conn, **values)
                uncommitted[id(getattr(conn, "_con", conn))].append(self.name)
                return result
            board.come_to(f"before {self.name}")
            result = await original(self, conn, **values)
            board.come_to(f"after {self.name}")
            return result

        setattr(Query, kind, run)

    for kind in ("many", "one", "value", "exec"):
        watched(kind)
    leave = Transaction.__aexit__

    async def ended(self: Any, kind: object, error: object, trace: object) -> None:
        names = [] if self._nested else uncommitted.pop(id(self._connection), [])
        names = list(dict.fromkeys(names)) if kind is None else []
        for name in names:
            board.come_to(f"before {name}")
        await leave(self, kind, error, trace)
        for name in names:
            board.come_to(f"after {name}")

    Transaction.__aexit__ = ended


def _watch_calls(board: Board) -> None:
    _around(board, LineClient, "push", "call LINE with a message")
    _around(board, LineClient, "issue_token", "call LINE for a token")
    _around(board, LineClient, "count_delivered", "call LINE for its count")
    _around(board, Session, "bind", "call the SMSC to bind")
    _around(board, Session, "submit", "call the SMSC with an SMS")
    _around(board, HttpSender, "post", "call the SMS provider")
    post = WebhookClient.post

    async def posted(self: WebhookClient, url: str, **more: Any) -> object:
        to_bot = "X-Line-Signature" in more["headers"]
        point = "call the bot" if to_bot else "call the client with reports"
        board.come_to(f"before {point}")
        outcome = await post(self, url, **more)
        board.come_to(f"after {point}")
        return outcome

    setattr(WebhookClient, "post", posted)  # noqa: B010 - wrapped, not declared
    respond = Session._respond

    def responded(self: Session, command: int, *arguments: Any, **more: Any) -> None:
        if command != DELIVER_SM:
            respond(self, command, *arguments, **more)
            return
        board.come_to("before answer the SMSC's receipt")
        respond(self, command, *arguments, **more)
        board.come_to("after answer the SMSC's receipt")

    setattr(Session, "_respond", responded)  # noqa: B010


def _around(board: Board, owner: type, name: str, point: str) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    async def called(*arguments: Any, **more: Any) -> object:
        board.come_to(f"before {point}")
        result = await original(*arguments, **more)
        board.come_to(f"after {point}")
        return result

    setattr(owner, name, called)


def _watch_answers(board: Board) -> None:
    answer = Front.__call__

    async def answered(self: Front, scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        point = next((point for start, point in ANSWERS if path.startswith(start)), None)
        if point is None or scope["type"] != "http":
            await answer(self, scope, receive, send)
            return

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                board.come_to(f"before {point}")
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                board.come_to(f"after {point}")

        await answer(self, scope, receive, sent)

    setattr(Front, "__call__", answered)  # noqa: B010
