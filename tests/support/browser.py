"""A whole sandbox in this process, and a real browser that is logged in to its console.

CONSOLE_SCREENSHOTS names a folder to keep pictures in (docs/console).
"""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import ConsoleMessage, Dialog, Page, Request, async_playwright, expect
from prometheus_client import CollectorRegistry

from linegate.cli.keys import create_key
from linegate.clock import SystemClock
from linegate.domain.keys import ALL_SCOPES
from linegate.metrics import Metrics
from linegate.postgres.identities import KeyRules
from linegate.service import running_worker
from linegate.simulator.app import running
from linegate.simulator.settings import ChannelSettings, SimulatorSettings
from support.console import PASSWORD, a_user
from support.gateway import ACCOUNT, CHANNEL_SECRET, SENDER, Gateway, running_api, settings_for

__all__ = [
    "AXE",
    "CHROMIUM",
    "Stage",
    "a_stage",
    "faults_of",
    "faults_of_pages",
    "log_in",
    "opened",
    "press",
    "said",
]

CHROMIUM = shutil.which("chromium")
_PICTURES = os.environ.get("CONSOLE_SCREENSHOTS")
_ON_PHONES = ("overview", "message", "guide")
AXE = (Path(__file__).parents[1] / "data" / "axe.min.js").read_text(encoding="utf-8")


@dataclass
class Stage:
    """A console in a browser, and the gateway behind it. posted: paths of what was pressed."""

    gateway: Gateway
    page: Page
    key: str
    errors: list[str] = field(default_factory=list)
    posted: set[str] = field(default_factory=set)

    async def go(self, path: str) -> None:
        """Open a page of the console."""
        answer = await self.page.goto(self.gateway.url + "/console" + path)
        assert answer is not None
        assert answer.status == 200, (path, answer.status)

    async def send(self, body: Any) -> Any:
        """Send a request to the API."""
        answer = await self.gateway.call(
            "POST", "/line/1/messages", authorization=self.key, json=body
        )
        assert answer.status == 200, answer.body
        return answer.json


@asynccontextmanager
async def a_stage(dsn: str) -> AsyncIterator[Stage]:
    """Simulator, API and worker on this database; `ops`, an operator, is logged in."""
    clock = SystemClock()
    channel = ChannelSettings("1", CHANNEL_SECRET)
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(
            running(SimulatorSettings(channels=(channel,), delay_factor=0.1))
        )
        environment = {"line_api_url": simulator.url, "webhook_allow_private": "1"}
        gateway = await stack.enter_async_context(running_api(dsn, clock, **environment))
        webhook = f"{gateway.url}/line/webhook/{SENDER}"
        simulator.app.platform.channels.add(
            ChannelSettings("1", CHANNEL_SECRET, webhook_url=webhook)
        )
        supervisor = await stack.enter_async_context(
            running_worker(settings_for(dsn, **environment), clock, Metrics(CollectorRegistry()))
        )
        working = asyncio.create_task(supervisor.run())
        stack.push_async_callback(_ended, working)
        rules = KeyRules(scopes=frozenset(ALL_SCOPES))
        key = "App " + await create_key(gateway.store, ACCOUNT, name="tests", rules=rules)
        await a_user(gateway, clock, "ops", account=ACCOUNT, is_operator=True)
        yield await stack.enter_async_context(_browsing(gateway, key))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _browsing(gateway: Gateway, key: str) -> AsyncIterator[Stage]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(15_000)
        page = await context.new_page()
        stage = Stage(gateway, page, key)

        def note(message: ConsoleMessage) -> None:
            # Pictures of test contents lie nowhere.
            if message.type == "error" and "ERR_NAME_NOT_RESOLVED" not in message.text:
                stage.errors.append(f"{page.url}: {message.text}")

        def pressed(request: Request) -> None:
            if request.method == "POST":
                stage.posted.add(urlsplit(request.url).path)

        page.on("console", note)
        page.on("request", pressed)
        page.on("pageerror", lambda error: stage.errors.append(f"{page.url}: {error}"))
        page.on("dialog", _accept)
        yield stage
        await browser.close()


async def _accept(dialog: Dialog) -> None:
    await dialog.accept()


@asynccontextmanager
async def opened(stage: Stage, *, dark: bool, width: int) -> AsyncIterator[Page]:
    """The page in a theme and a width."""
    await stage.page.emulate_media(color_scheme="dark" if dark else "light")
    await stage.page.set_viewport_size({"width": width, "height": 900})
    yield stage.page


async def faults_of(page: Page) -> list[str]:
    """What axe finds serious or critical on the page as it is.

    Bubbles are left out: their colours are LINE's and their senders', and shown as they are.
    """
    await page.evaluate(AXE)
    found = await page.evaluate(
        "async () => (await axe.run({exclude: ['.fx-bubble']}, {resultTypes: ['violations']}))"
        ".violations"
    )
    return [
        f"{each['id']}: {each['help']} {[node['html'][:120] for node in each['nodes'][:3]]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


async def faults_of_pages(stage: Stage, pages: Mapping[str, str]) -> list[str]:
    """What is wrong with pages (name -> path), in both themes, at a desk and on a phone."""
    faults: list[str] = []
    for dark in (False, True):
        for width in (1280, 390):
            async with opened(stage, dark=dark, width=width) as page:
                for name, path in pages.items():
                    await stage.go(path)
                    faults += await _look(page, name, dark=dark, width=width)
    return faults


_WITHOUT_ZONE = """() => [...document.querySelectorAll("main time")].filter((time) => {
  const cell = time.closest("td");
  const words = cell
    ? cell.closest("table").tHead.rows[0].cells[cell.cellIndex].textContent + cell.textContent
    : (time.closest(".line-of-time") ? time.closest("section") : time.parentElement).textContent;
  return !words.includes("UTC");
}).map((time) => time.parentElement.outerHTML.slice(0, 120))"""
_CUT_OFF = """() => innerWidth < 1000 ? [] : [...document.querySelectorAll("main .wide")]
  .filter((each) => each.scrollWidth > each.clientWidth + 1)
  .map((each) => each.textContent.trim().slice(0, 60))"""
_RAW = """() => document.querySelector("main").innerText
  .match(/\\b(None(?!\\.)|True|False|undefined|null)\\b/g) || []"""


async def _look(page: Page, name: str, *, dark: bool, width: int) -> list[str]:
    """What is wrong with a page as it stands."""
    where = f"{name}, {'dark' if dark else 'light'}, {width} wide"
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    found = [f"{where}: {fault}" for fault in await faults_of(page)]
    found += [
        f"{where}: a time without its zone in {html}" for html in await page.evaluate(_WITHOUT_ZONE)
    ]
    found += [f"{where}: cut off at a desk: {words}" for words in await page.evaluate(_CUT_OFF)]
    found += [f"{where}: shows a raw {word}" for word in await page.evaluate(_RAW)]
    if wide > 0:
        found.append(f"{where}: {wide} pixels too wide")
    is_kept = not dark if width == 1280 else name in _ON_PHONES and not dark
    if _PICTURES and (is_kept or (name == "overview" and width == 1280)):
        suffix = "-dark" if dark else "-phone" if width == 390 else ""
        folder = Path(_PICTURES)
        folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - a test's own folder
        await page.screenshot(path=folder / f"{name}{suffix}.png", full_page=width == 390)
    return found


async def log_in(stage: Stage) -> None:
    """Log in as the operator by the form."""
    page = stage.page
    await page.goto(stage.gateway.url + "/console/")
    await page.get_by_label("Name").fill("ops")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


async def press(page: Page, name: str) -> None:
    """Press the one button of this name."""
    await page.get_by_role("button", name=name, exact=True).click()


async def said(page: Page, words: str | re.Pattern[str]) -> None:
    """Wait until the page says these words at its head."""
    await expect(page.locator(".said").first).to_contain_text(words)
