"""A blocked destination is rejected alone, with its report."""

from datetime import timedelta

from linegate.cli.accounts import account_id_of
from linegate.cli.keys import create_key
from linegate.postgres.blocklist import block, list_blocked, unblock
from support.clock import FakeClock
from support.gateway import ACCOUNT, SENDER, a_request, running_api

BLOCKED, FREE = "819010000001", "819010000002"


async def test_blocked_destination_is_rejected_alone_and_reported(
    database_url: str, clock: FakeClock
) -> None:
    async with running_api(database_url, clock) as gateway:
        key = "App " + await create_key(gateway.store, ACCOUNT, name="")
        async with gateway.store.pool.acquire() as conn:
            account_id = await account_id_of(conn, ACCOUNT)
            assert await block(conn, account_id, [BLOCKED, BLOCKED], now=clock.now()) == 1
        answer = await gateway.call(
            "POST",
            "/line/1/messages",
            authorization=key,
            json=a_request("+81 90-1000-0001", FREE, "nonsense"),
        )
        statuses = [each["status"] for each in answer.json["messages"]]
        assert [status["id"] for status in statuses] == [14, 7, 52]
        assert statuses[0]["groupName"] == "REJECTED"
        pulled = await gateway.call("GET", "/line/1/reports", authorization=key)
        by_number = {each["to"]: each["error"]["id"] for each in pulled.json["results"]}
        assert by_number[BLOCKED] == 2052
        assert FREE not in by_number


async def test_list_of_one_account_is_not_anothers_and_can_be_taken_back(
    database_url: str, clock: FakeClock
) -> None:
    async with running_api(database_url, clock) as gateway:
        key = "App " + await create_key(gateway.store, ACCOUNT, name="")
        async with gateway.store.pool.acquire() as conn:
            other = await conn.fetchval(
                "INSERT INTO account (name, webhook_secret, created_at)"
                " VALUES ('other', '', $1) RETURNING id",
                clock.now(),
            )
            await block(conn, other, [BLOCKED], now=clock.now())
            account_id = await account_id_of(conn, ACCOUNT)

        async def status() -> int:
            answer = await gateway.call(
                "POST", "/line/1/messages", authorization=key, json=a_request(BLOCKED)
            )
            return int(answer.json["messages"][0]["status"]["id"])

        assert await status() == 7
        await clock.advance(timedelta(seconds=1))
        async with gateway.store.pool.acquire() as conn:
            await block(conn, account_id, [BLOCKED], now=clock.now())
            assert await list_blocked(conn, account_id, after="", limit=9) == [
                (BLOCKED, clock.now())
            ]
        assert await status() == 14
        async with gateway.store.pool.acquire() as conn:
            assert await unblock(conn, account_id, [BLOCKED]) == 1
        assert await status() == 7


async def test_countries_are_the_senders_own(database_url: str, clock: FakeClock) -> None:
    async with running_api(database_url, clock) as gateway:
        key = "App " + await create_key(gateway.store, ACCOUNT, name="")
        async with gateway.store.pool.acquire() as conn:
            await conn.execute("UPDATE sender SET countries = '{TH,DE}' WHERE name = $1", SENDER)
        answer = await gateway.call(
            "POST",
            "/line/1/messages",
            authorization=key,
            json=a_request(BLOCKED, "66855538125", "4915112345678"),
        )
        assert [each["status"]["id"] for each in answer.json["messages"]] == [6, 7, 7]
