"""A real Prometheus: it loads the rules, scrapes a running linegate and answers every panel."""

import asyncio
import json
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from support.installation import Installation, installed
from support.program import free_port
from support.waiting import until

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
SCRAPE = DEPLOY / "prometheus" / "scrape.yml"
DASHBOARD = DEPLOY / "grafana" / "linegate.json"
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
DELIVERED, REFUSED = "819010000001", "819010000090"

# What shows nothing while nothing goes wrong, waits or is steered.
MAY_BE_EMPTY = {
    *("linegate_queue_messages", "linegate_queue_oldest_seconds", "linegate_bulks_open"),
    *("linegate_stopped_messages", "linegate_underway_messages", "linegate_overdue_seconds"),
    *("linegate_webhook_calls_refused_total", "linegate_loop_crashes_total"),
    *("linegate_sms_queue_messages", "linegate_report_oldest_seconds"),
    *("linegate_endpoints_waiting", "linegate_trace_spans_total", "linegate_leases_lost_total"),
    *("linegate_resends_total", "linegate_unbegun_total"),
}

pytestmark = pytest.mark.skipif(
    PROMETHEUS is None or PROMTOOL is None, reason="this machine lacks prometheus"
)


async def promtool(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(str(PROMTOOL), "check", *arguments), stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, (out + err).decode()
    return out.decode()


async def test_the_alerts_and_the_scrape_file_are_what_prometheus_reads() -> None:
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    assert f"{len(rules)} rules found" in await promtool("rules", str(ALERTS))
    await promtool("config", "--syntax-only", str(SCRAPE))


class Prometheus:
    """One that runs."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def get(self, path: str, **parameters: str) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/api/v1/{path}", params=parameters) as answer,
        ):
            told = await answer.json()
            assert told["status"] == "success", (parameters, told)
            return told["data"]

    async def values(self, expression: str) -> list[float]:
        data = await self.get("query", query=expression)
        return [float(each["value"][1]) for each in data["result"]]

    async def is_more_than(self, expression: str, least: float) -> bool:
        return any(value > least for value in await self.values(expression))


@asynccontextmanager
async def watching(folder: Path, targets: Mapping[str, str]) -> AsyncIterator[Prometheus]:
    """A Prometheus with our rules that scrapes these (job to host and port) each second."""
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [target]}]}
        for job, target in targets.items()
    ]
    config = folder / "prometheus.yml"
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(ALERTS)],
                "scrape_configs": jobs,
            }
        )
    )
    at = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        str(PROMETHEUS),
        *(f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"),
        *(f"--web.listen-address={at}", "--log.level=error"),
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    made = Prometheus(f"http://{at}")
    try:
        await until(lambda: _is_ready(made), within=60, every=0.1)
        yield made
    finally:
        process.terminate()
        await process.wait()


async def _is_ready(prometheus: Prometheus) -> bool:
    try:
        return len(await prometheus.values("up == 1")) == 2
    except aiohttp.ClientError:
        return False


def panels() -> list[tuple[str, str]]:
    """Every question of the dashboard, as Grafana asks it."""
    return [
        (panel["title"], target["expr"].replace("$__rate_interval", "1m"))
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel.get("targets", [])
    ]


async def some_life(made: Installation) -> None:
    """A message that LINE delivers, and one that goes by SMS."""
    await made.send(DELIVERED)
    await made.report()
    await made.send(REFUSED)
    await made.report()


async def test_it_scrapes_a_running_linegate_and_every_panel_and_alert_has_an_answer(
    database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    async with (
        installed(database_url, metrics_port=str(port), webhook_allow_private="1") as made,
        made.worker(),
    ):
        await made.takes_reports()
        await some_life(made)  # a rate needs a figure before what it grows by
        api = made.gateway.url.removeprefix("http://")
        targets = {"linegate-api": api, "linegate-worker": f"127.0.0.1:{port}"}
        async with watching(tmp_path, targets) as prometheus:
            await some_life(made)
            grown = "sum(rate(linegate_sms_attempts_total[1m]))"
            await until(lambda: prometheus.is_more_than(grown, 0), within=60, every=0.2)
            ended = "max(rate(linegate_messages_ended_total[1m]))"
            await until(lambda: prometheus.is_more_than(ended, 0), within=60, every=0.2)
            empty = [
                (title, expression)
                for title, expression in panels()
                if not await prometheus.values(expression)
            ]
            assert [each for each in empty if not any(n in each[1] for n in MAY_BE_EMPTY)] == []
            (group,) = (await prometheus.get("rules"))["groups"]
            assert {rule["name"]: rule.get("lastError") for rule in group["rules"]} == {
                rule["name"]: None for rule in group["rules"]
            }
            assert {rule["health"] for rule in group["rules"]} == {"ok"}
            assert {rule["name"] for rule in group["rules"] if rule["state"] == "firing"} == set()
            assert await prometheus.values('linegate_attempts_total{outcome="refused"}') == [2]
            down = 'up{job="linegate-worker"}'
            assert await prometheus.values(down) == [1]
