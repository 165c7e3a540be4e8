"""On an external PostgreSQL: several processes' secrets, and a stop that leaves nothing unknown."""

import asyncio
import base64
import socket
from typing import Any

import asyncpg

from support.program import command, free_port, home_folder, program
from support.shop import Shop, simulated_line
from support.waiting import until

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(32)).decode()
BULK = 3000


async def ask(dsn: str, statement: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def test_sigterm_in_the_middle_of_a_bulk_leaves_nothing_unknown(database_url: str) -> None:
    port = free_port()
    with home_folder() as home:
        async with simulated_line(port) as line:
            settings = {
                "database_url": database_url,
                "secret_key": KEY,
                "line_api_url": line.url,
                "webhook_allow_private": "1",
            }
            async with program(home, port=port, **settings) as up:
                shop = await Shop.open(home, line, **settings)
                numbers = [f"8190100{at // 80:03d}{at % 80:02d}" for at in range(BULK)]
                sent = await shop.send(up, *numbers, seconds=40)
                await shop.has_asked(BULK // 10)
                assert await up.end() == 0
            assert not (home / "postgres").exists()
            asked = await shop.asked()
            assert asked < BULK  # it was the middle
            steps = dict(await ask(database_url, "SELECT step, count(*) FROM queue GROUP BY 1"))
            assert set(steps) <= {"due_bulk", "sent"}
            attempts = await ask(database_url, "SELECT outcome, count(*) FROM attempt GROUP BY 1")
            assert attempts == [("accepted", asked)]
            # What had been claimed and not started went back as if it never had been.
            untried = "SELECT DISTINCT attempt FROM queue WHERE step = 'due_bulk'"
            assert await ask(database_url, untried) == [(0,)]

            async with program(home, port=port, **settings) as up:
                told = await shop.is_told(BULK, within=60)
                expired = told["byStatus"].pop("EXPIRED_EXPIRED", 0)
                assert told["byStatus"] == {"DELIVERED_TO_HANDSET": BULK - expired}
                assert expired <= await shop.events_lost()
                pulled = await shop.pull(up)
                assert sorted(pulled) == sorted(sent)
                assert await up.end() == 0
            assert await shop.asked() == BULK  # nothing was sent twice
            assert "Traceback" not in up.log_text()


async def test_a_process_takes_no_more_connections_than_it_may(database_url: str) -> None:
    port = free_port()
    settings = {"database_url": database_url, "secret_key": KEY, "database_connections": "6"}
    by_role = (
        "SELECT application_name, count(*)::integer FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'linegate %' GROUP BY 1"
    )
    with home_folder() as home:
        async with simulated_line(port) as line, program(home, port=port, **settings) as up:
            shop = await Shop.open(home, line, **settings)
            holder = await asyncpg.connect(database_url)
            async with holder.transaction():
                await holder.execute("LOCK TABLE final IN ACCESS EXCLUSIVE MODE")
                asking = [
                    asyncio.create_task(up.call("GET", "/line/1/logs", shop.key)) for _ in range(20)
                ]

                async def all_taken() -> bool:
                    return bool(dict(await ask(database_url, by_role)).get("linegate api", 0) >= 6)

                await until(all_taken)
                await asyncio.wait(asking, timeout=1)  # time to open more, were they allowed
                roles = dict(await ask(database_url, by_role))
            await asyncio.gather(*asking)
            await holder.close()
            assert roles["linegate api"] == 6
            assert roles["linegate worker"] + roles["linegate wakeup"] <= 6


async def test_a_database_of_another_secret_key_is_refused(database_url: str) -> None:
    with home_folder() as home:
        made = await command(
            home, "account", "create", "acme", database_url=database_url, secret_key=KEY
        )
        assert made.code == 0, made.err
        for arguments in (("account", "create", "b"), ("up", "--port", str(free_port()))):
            refused = await command(
                home, *arguments, database_url=database_url, secret_key=OTHER_KEY
            )
            assert (refused.code, refused.out) == (1, "")
            assert "LINEGATE_SECRET_KEY is not the key" in refused.err
            assert "Traceback" not in refused.err
        assert await ask(database_url, "SELECT name FROM account") == [("acme",)]


async def test_an_external_database_wants_its_key_given(database_url: str) -> None:
    with home_folder() as home:
        refused = await command(home, "account", "create", "b", database_url=database_url)
        assert refused.code == 1
        assert "secret_key must be given with database_url" in refused.err
        assert "Traceback" not in refused.err


async def test_a_database_that_refuses_us_is_told_without_a_traceback(database_url: str) -> None:
    with home_folder() as home:
        missing = database_url.replace("@/", "@/no_such_")
        refused = await command(
            home, "account", "create", "b", database_url=missing, secret_key=KEY
        )
        assert refused.code == 1
        assert "no_such_" in refused.err
        assert "Traceback" not in refused.err


async def test_a_port_that_is_taken_is_told_without_a_traceback(database_url: str) -> None:
    with home_folder() as home, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = await command(
            home, "up", "--port", str(port), database_url=database_url, secret_key=KEY
        )
        assert refused.code == 1
        assert f"cannot listen on 127.0.0.1:{port}" in refused.err
        assert "Traceback" not in refused.err
