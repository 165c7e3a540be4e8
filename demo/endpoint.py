"""The demo's own report endpoint: what any client of the API would run."""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

__all__ = ["Reports", "listening"]

Report = dict[str, Any]


class Reports:
    """The delivery reports that came, by number."""

    def __init__(self) -> None:
        self.first: Report | None = None
        self.by_number: dict[str, Report] = {}
        self.came_at: dict[str, float] = {}
        self.twice = 0

    def take(self, results: list[Report]) -> None:
        """Note the reports of one call."""
        now = time.monotonic()
        for report in results:
            number = str(report["to"])
            if self.first is None:
                self.first = report
            self.twice += number in self.by_number
            self.by_number[number] = report
            self.came_at[number] = now

    def groups(self) -> Counter[str]:
        """How many of each status group."""
        return Counter(str(report["status"]["groupName"]) for report in self.by_number.values())


@asynccontextmanager
async def listening(reports: Reports) -> AsyncIterator[str]:
    """Take reports on a free port while the block runs; gives the URL they are to go to."""

    async def take(request: web.Request) -> web.Response:
        reports.take(json.loads(await request.read())["results"])
        return web.Response()

    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_post("/reports", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/reports"
    finally:
        await runner.cleanup()
