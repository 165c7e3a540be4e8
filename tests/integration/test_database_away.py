"""While the database is away requests get 503 with Retry-After; when it is back all goes on."""

import asyncio
import tempfile
from pathlib import Path

from linegate.cli.keys import create_key
from support.clock import FakeClock
from support.cut import line_to
from support.gateway import ACCOUNT, Answer, Gateway, a_request, running_api
from support.waiting import until


async def send(gateway: Gateway, key: str, bulk_id: str) -> Answer:
    body = {**a_request(), "options": {"schedule": {"bulkId": bulk_id}}}
    return await gateway.call("POST", "/line/1/messages", authorization=key, json=body)


async def test_database_away_is_503_with_retry_after_until_it_is_back(
    database_url: str, clock: FakeClock
) -> None:
    with tempfile.TemporaryDirectory(prefix="lg-") as folder:
        async with (
            line_to(database_url, Path(folder)) as line,
            running_api(line.dsn, clock) as gateway,
        ):
            key = "App " + await create_key(gateway.store, ACCOUNT, name="all")
            assert (await send(gateway, key, "before")).status == 200
            await line.cut()
            for path in ("/line/1/reports", "/line/1/logs", "/line/1/bulks?bulkId=before"):
                away = await gateway.call("GET", path, authorization=key)
                assert (away.status, away.headers["Retry-After"]) == (503, "2"), path
            refused = await asyncio.gather(*(send(gateway, key, f"away-{at}") for at in range(5)))
            for answer in refused:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
                assert "bulkId" in answer.json["violations"][0]["violation"]
            assert (await gateway.call("GET", "/health/ready")).status == 503
            assert (await gateway.call("GET", "/health/live")).status == 200
            await line.mend()

            async def is_back() -> bool:
                return (await gateway.call("GET", "/health/ready")).status == 200

            await until(is_back, within=30)
            for at in range(5):  # what the client was told: repeat it with the same bulkId
                assert (await send(gateway, key, f"away-{at}")).status == 200
            rows = await gateway.store.pool.fetch("SELECT client_id FROM bulk")
            assert {row["client_id"] for row in rows} == {
                "before",
                *(f"away-{at}" for at in range(5)),
            }
