"""Names are looked up so that those without an answer keep nobody waiting."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from linegate.resolver import Resolver
from linegate.webhook.client import PushKind, WebhookClient
from linegate.webhook.guard import Guard
from support.fault_server import answering, serving
from support.waiting import until

LOOPBACK = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]


class NameServers:
    """Know every name but those in `.silent`, which get no answer until `speak`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._may_answer = threading.Event()

    def look_up(self, host: str, family: int) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        if host.endswith(".silent"):
            self._may_answer.wait(60)
        if host.endswith(".unknown"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return list(LOOPBACK)

    async def are_all_asked(self) -> bool:
        return len(self.asked) == 100

    def speak(self) -> None:
        self._may_answer.set()


@pytest.fixture
def servers() -> Iterator[NameServers]:
    made = NameServers()
    yield made
    made.speak()  # the threads end


@contextmanager
def counted_threads() -> Iterator[list[int]]:
    """How many look-ups run now; grows by one number when the block ends."""
    found: list[int] = []
    yield found
    found.append(sum(1 for each in threading.enumerate() if each.name == "look-up"))


async def post(client: WebhookClient, url: str) -> PushKind:
    outcome = await client.post(url, body=b"{}", content_type="application/json", headers={})
    return outcome.kind


async def test_a_hundred_names_without_an_answer_keep_no_other_name_waiting(
    servers: NameServers,
) -> None:
    """An event loop's own look-ups have a handful of threads: these would wait for each other."""
    names = Resolver(look_up=servers.look_up)
    async with (
        serving(answering(204, b"")) as receiver,
        WebhookClient(Guard(allow_private=True), resolver=names) as client,
    ):
        stuck = [
            asyncio.create_task(post(client, f"http://endpoint-{at}.silent/")) for at in range(100)
        ]
        await until(servers.are_all_asked)
        async with asyncio.timeout(5):
            for at in range(10):
                url = receiver.url.replace("127.0.0.1", f"endpoint-{at}.known")
                assert await post(client, url) is PushKind.TAKEN
        assert not any(each.done() for each in stuck)
        for each in stuck:
            each.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


async def test_a_name_without_an_answer_holds_one_thread_however_often_it_is_asked_for(
    servers: NameServers,
) -> None:
    names = Resolver(look_up=servers.look_up, patience=timedelta(milliseconds=20))
    with counted_threads() as threads:
        for _ in range(5):
            with pytest.raises(TimeoutError, match="no name server answers"):
                await names.resolve("endpoint.silent", 80)
    assert (servers.asked, threads) == (["endpoint.silent"], [1])
    servers.speak()
    async with asyncio.timeout(5):
        while len(servers.asked) < 2:  # the old look-up ends, and the name is asked for again
            found = await names.resolve("endpoint.silent", 80)
    assert [(each["host"], each["port"]) for each in found] == [("127.0.0.1", 80)]


async def test_more_names_than_there_may_be_threads_fail_at_once(servers: NameServers) -> None:
    names = Resolver(look_up=servers.look_up, at_once=2, patience=timedelta(milliseconds=20))
    for at in range(2):
        with pytest.raises(OSError, match="no name server answers"):
            await names.resolve(f"endpoint-{at}.silent", 80)
    with pytest.raises(OSError, match="too many names"):
        await names.resolve("endpoint.known", 80)
    assert len(servers.asked) == 2


async def test_a_name_that_nobody_knows_is_an_error_for_all_who_wait(servers: NameServers) -> None:
    names = Resolver(look_up=servers.look_up)
    asked = [names.resolve("endpoint.unknown", 80) for _ in range(3)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in found] == [socket.gaierror] * 3


async def test_the_systems_own_names_are_found() -> None:
    found = await Resolver().resolve("localhost", 80, socket.AF_UNSPEC)
    assert {each["host"] for each in found} <= {"127.0.0.1", "::1"}
    assert found
