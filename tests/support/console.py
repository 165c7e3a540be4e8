"""A browser without pictures: logs in to the console over HTTP and keeps its cookie and token."""

import re
from collections.abc import Mapping
from datetime import timedelta
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from linegate.api.passwords import hash_password
from linegate.cli.keys import create_key
from linegate.clock import Clock
from linegate.domain.keys import ALL_SCOPES, digest_of
from linegate.postgres.console import make_operator
from linegate.postgres.directory import find_account
from linegate.postgres.identities import KeyRules, insert_token, insert_user
from support.gateway import ACCOUNT, Answer, Gateway, a_request

__all__ = ["PASSWORD", "Visitor", "a_bulk", "a_link", "a_user", "logged_in"]

PASSWORD = "correct horse battery staple"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def a_user(
    gateway: Gateway,
    clock: Clock,
    name: str,
    *,
    account: str,
    scopes: tuple[str, ...] = ALL_SCOPES,
    is_operator: bool = False,
) -> int:
    """A user with PASSWORD; gives its id."""
    async with gateway.store.pool.acquire() as conn:
        account_id = await find_account(conn, account)
        assert account_id is not None
        id_ = await insert_user(
            conn,
            account_id=account_id,
            name=name,
            password_hash=hash_password(PASSWORD),
            scopes=scopes,
            networks=(),
            now=clock.now(),
        )
        await make_operator(conn, name, is_operator=is_operator)
    assert id_ is not None
    return id_


async def a_link(gateway: Gateway, clock: Clock, user_id: int, token: str) -> str:
    """The path of a link that logs in once, within an hour."""
    async with gateway.store.pool.acquire() as conn:
        await insert_token(
            conn,
            digest=digest_of(token),
            user_id=user_id,
            kind="link",
            address=None,
            expires_at=clock.now() + timedelta(hours=1),
        )
    return f"/console/enter?token={token}"


async def a_bulk(gateway: Gateway) -> str:
    """The id of a bulk of ACCOUNT that goes out at once."""
    rules = KeyRules(scopes=frozenset(ALL_SCOPES))
    key = "App " + await create_key(gateway.store, ACCOUNT, name="", rules=rules)
    body = a_request("819010000001", "819010000002")
    answer = await gateway.call("POST", "/line/1/messages", authorization=key, json=body)
    return str(answer.json["bulkId"])


class Visitor:
    """Somebody with a cookie jar."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.cookies: dict[str, str] = {}
        self.csrf = ""

    async def login(self, name: str, password: str = PASSWORD) -> Answer:
        """Log in by the form, and read the token of forms if that worked."""
        answer = await self.post("/console/login", name=name, password=password)
        if answer.status == 303:
            await self.get("/console/")
        return answer

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Look at a page."""
        return await self._call("GET", path, dict(headers or {}), None)

    async def post(self, path: str, **fields: str) -> Answer:
        """Send a form as the page that holds it does."""
        return await self.send(path, {"csrf": self.csrf, **fields})

    async def send(
        self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send these fields and no others."""
        return await self._call("POST", path, {**_FORM, **(headers or {})}, fields)

    async def _call(
        self, method: str, path: str, headers: dict[str, str], fields: Mapping[str, str] | None
    ) -> Answer:
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        data = None if fields is None else urlencode(fields).encode()
        answer = await self._gateway.call(method, path, headers=headers, data=data)
        for header in answer.headers.getall("Set-Cookie", []):  # type: ignore[attr-defined]
            for name, morsel in SimpleCookie(header).items():
                self.cookies[name] = morsel.value
        found = re.search(rb'name="csrf" value="([0-9a-f]{64})"', answer.body)
        if found:
            self.csrf = found[1].decode()
        return answer


async def logged_in(
    gateway: Gateway, clock: Clock, name: str, account: str, *, is_operator: bool = False
) -> Visitor:
    """A new user of an account, logged in."""
    await a_user(gateway, clock, name, account=account, is_operator=is_operator)
    visitor = Visitor(gateway)
    await visitor.login(name)
    return visitor
