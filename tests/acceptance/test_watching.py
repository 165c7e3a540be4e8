"""What an operator's monitoring sees of the running program: probes and metrics that are true."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

import aiohttp

from support.metrics import scrape
from support.program import environment_of, free_port, home_folder, program, until_status
from support.shop import Shop, simulated_line
from support.waiting import until

BULK = 300


async def ready(url: str) -> tuple[int, dict[str, object]]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/health/ready") as answer:
        return answer.status, await answer.json()


async def test_after_a_run_the_metrics_of_two_workers_tell_what_happened() -> None:
    port = free_port()
    with home_folder() as home:
        async with simulated_line(port) as line:
            settings = {"line_api_url": line.url, "webhook_allow_private": "1"}
            async with program(home, "--workers", "2", port=port, **settings) as up:
                await until_status(f"{up.url}/health/ready", 200)
                shop = await Shop.open(home, line, **settings)
                numbers = [f"8190100{at // 80:03d}{at % 80:02d}" for at in range(BULK)]
                await shop.send(up, *numbers, "819010000090")  # the last one LINE refuses
                await shop.is_told(BULK + 1, within=60)

                async def added_up() -> bool:
                    shown = await scrape(up.url)
                    # Two sums, each added up by a loop of its own.
                    is_empty = shown.get("linegate_messages_unfinished") == 0
                    return is_empty and shown.total("linegate_messages_ended_total") == BULK + 1

                await until(added_up, within=20, every=0.5)
                shown = await scrape(up.url)
                ended, tried = "linegate_messages_ended_total", "linegate_attempts_total"
                assert shown.get(ended, status="DELIVERED_TO_HANDSET") == BULK
                assert shown.get(tried, outcome="accepted", code="200") == BULK
                assert shown.get(tried, outcome="refused", code="422") == 1
                assert shown.total(tried) == await shop.asked()
                assert shown.get("linegate_events_total", result="delivered") == BULK
                assert shown.get("linegate_messages_accepted_total", result="accepted") == BULK + 1
                assert shown.get("linegate_reports_pushed_total", result="taken") == BULK + 1
                assert shown.total("linegate_report_delay_seconds_count") == BULK + 1
                assert shown.get("linegate_delivery_seconds_count") == BULK
                assert shown.total("linegate_queue_messages") == 0
                assert shown.total("linegate_underway_messages") == 0
                assert shown.get("linegate_messages_unfinished") == 0
                assert shown.get("linegate_loop_failing", loop="dispatcher") == 0
                sent = "linegate_requests_total"
                assert shown.get(sent, route="/line/1/messages", status="200") == 1
                assert await up.end() == 0


async def test_up_is_not_ready_while_one_of_its_workers_hangs_or_is_gone() -> None:
    with home_folder() as home:
        async with program(home) as up:
            await until_status(f"{up.url}/health/ready", 200)
            (worker,) = [pid for pid in up.children() if b"worker" in command_of(pid)]
            os.kill(worker, signal.SIGSTOP)
            await until_status(f"{up.url}/health/ready", 503, within=40)
            assert (await ready(up.url))[1]["failing"] == ["worker 1 does not answer"]
            os.kill(worker, signal.SIGKILL)  # and it is started again
            await until_status(f"{up.url}/health/ready", 200)
            (again,) = [pid for pid in up.children() if b"worker" in command_of(pid)]
            assert again != worker
            assert await up.end() == 0


async def test_a_lone_worker_has_probes_and_metrics_of_its_own() -> None:
    port = free_port()
    with home_folder() as home:
        async with program(home) as up:
            worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "linegate", "worker"),
                env=environment_of(home, {"metrics_port": str(port)}),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=DEVNULL,
            )
            try:
                url = f"http://127.0.0.1:{port}"
                await until_status(f"{url}/health/ready", 200)
                await until_status(f"{url}/health/live", 200)
                shown = await scrape(url)
                assert shown.get("linegate_loop_failing", loop="dispatcher") == 0
                assert shown.get("linegate_database_up") is None  # an API process shows that
                worker.send_signal(signal.SIGTERM)
                async with asyncio.timeout(30):
                    assert await worker.wait() == 0
            finally:
                if worker.returncode is None:
                    worker.kill()
                    await worker.wait()
            assert await up.end() == 0


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
