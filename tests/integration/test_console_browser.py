"""The console in a real browser: every page and action, both themes, a phone's width, axe.

CONSOLE_SCREENSHOTS names a folder to keep pictures in (docs/console).
"""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import expect

from linegate.console.compose import FIRST_CONTENT
from linegate.postgres.directory import set_default_endpoint
from support.browser import (
    CHROMIUM,
    Stage,
    a_stage,
    faults_of,
    faults_of_pages,
    log_in,
    opened,
    press,
    said,
)
from support.gateway import a_request
from support.waiting import until

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="this machine lacks chromium")

_PAGES = {
    "overview": "/",
    "messages": "/messages",
    "bulks": "/bulks",
    "compose": "/compose",
    "templates": "/templates",
    "webhooks": "/webhooks",
    "profiles": "/webhooks/profiles",
    "senders": "/senders",
    "sender": "/senders/1",
    "keys": "/keys",
    "users": "/users",
    "parts": "/parts",
    "accounts": "/accounts",
    "audit": "/audit",
    "guide": "/guide",
    "sandbox": "/sandbox",
}


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with a_stage(database_url) as running:
        await log_in(running)
        yield running


async def filled(stage: Stage) -> str:
    """Give every list something to show; gives the id of a delivered message."""
    async with stage.gateway.store.pool.acquire() as conn:
        await set_default_endpoint(
            conn,
            account_id=1,
            url="http://127.0.0.1:9/customers/north-and-south/line-reports?token=abcdefgh",
            now=datetime.now(UTC),
        )
    content = {"content": FIRST_CONTENT}
    sent = await stage.send(a_request(*(f"8190100{n:05d}" for n in range(120)), **content))
    bulk = a_request(*(f"8190101{n:05d}" for n in range(300)), **content)
    at = datetime.now(UTC) + timedelta(hours=3)
    bulk["options"] = {
        "schedule": {
            "bulkId": "autumn-news",
            "sendAt": at.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
        }
    }
    await stage.send(bulk)
    bulk["options"]["schedule"]["bulkId"] = "reminder-of-appointments-november-north-and-south"
    await stage.send(bulk)
    message = str(sent["messages"][1]["messageId"])

    async def is_delivered() -> bool:
        answer = await stage.gateway.call(
            "GET", f"/line/1/messages/{message}", authorization=stage.key
        )
        return bool(answer.json["status"]["groupName"] == "DELIVERED")

    await until(is_delivered)
    return message


async def a_delivery(stage: Stage) -> str:
    """The path of the endpoint's first delivery."""

    async def has_tried() -> bool:
        await stage.go("/webhooks/1")
        return await stage.page.locator("a[href*=deliveries]").count() > 0

    await until(has_tried, every=0.3)
    path = await stage.page.locator("a[href*=deliveries]").first.get_attribute("href")
    return str(path).removeprefix("/console")


# Looks --------------------------------------------------------------------------------------------


async def test_every_page_in_both_themes_and_two_widths_is_sound(stage: Stage) -> None:
    message = await filled(stage)
    pages = {
        **_PAGES,
        "message": f"/messages/{message}",
        "bulk": "/bulks/1/autumn-news",
        "webhook": "/webhooks/1",
        "delivery": await a_delivery(stage),
    }
    faults = await faults_of_pages(stage, pages)
    assert not faults, "\n".join(faults)
    assert stage.errors == []


async def test_renewing_keeps_the_keyboards_place_and_how_far_a_table_was_scrolled(
    stage: Stage,
) -> None:
    async with opened(stage, dark=False, width=390) as page:
        await filled(stage)
        await stage.go("/")
        table = page.get_by_role("group", name="Report endpoints")
        await table.evaluate("each => each.scrollTo(60, 0)")
        await page.get_by_role("link", name="ACME", exact=True).focus()
        before = await page.locator("#live time").last.text_content()
        await expect(page.locator("#live time").last).not_to_have_text(str(before))
        await expect(page.get_by_role("link", name="ACME", exact=True)).to_be_focused()
        assert await table.evaluate("each => each.scrollLeft") > 0


async def test_a_refused_form_keeps_what_was_typed(stage: Stage) -> None:
    page = stage.page
    await stage.go("/senders")
    await page.get_by_label("Name, as requests give it").fill("NIGHT")
    await page.get_by_label("Channel id").fill("no digits")
    await page.get_by_label("Channel secret").fill("5" * 32)
    await press(page, "Create sender")
    await expect(page.get_by_role("alert")).to_contain_text("the channel's id (digits)")
    await expect(page.get_by_label("Name, as requests give it")).to_have_value("NIGHT")
    await page.get_by_label("Channel id").fill("2000000003")
    await press(page, "Create sender")
    await said(page, "NIGHT was created")


async def test_a_page_that_is_old_says_so_until_it_is_renewed(stage: Stage) -> None:
    page = stage.page
    await stage.go("/")
    await page.context.set_offline(True)
    await expect(page.get_by_role("alert")).to_contain_text("this page is old", timeout=20_000)
    await page.context.set_offline(False)
    await expect(page.get_by_role("alert")).to_be_hidden(timeout=20_000)


async def test_the_theme_can_be_switched_and_stays(stage: Stage) -> None:
    async with opened(stage, dark=False, width=1280) as page:
        await stage.go("/")
        before = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.get_by_role("button", name="Switch between light and dark").click()
        await stage.go("/messages")
        after = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after


async def test_the_keyboard_reaches_the_content_first(stage: Stage) -> None:
    await stage.go("/")
    await stage.page.keyboard.press("Tab")
    await expect(stage.page.get_by_role("link", name="Skip to content")).to_be_focused()
    await stage.page.keyboard.press("Enter")
    await expect(stage.page.locator("#main")).to_be_focused()


async def test_the_overview_lives_without_reloading(stage: Stage) -> None:
    await stage.go("/")
    tile = stage.page.locator(".tile strong").first
    await expect(tile).to_have_text("0")
    await stage.send(a_request(*(f"8190100{n:05d}" for n in range(40))))
    await expect(tile).to_have_text("40", timeout=20_000)
    await expect(stage.page.locator(".chart rect.of-delivered")).not_to_have_count(0)


# Messages -----------------------------------------------------------------------------------------


async def test_a_message_is_found_by_its_number_and_told_from_end_to_end(stage: Stage) -> None:
    await filled(stage)
    page = stage.page
    await stage.go("/messages")
    await page.get_by_label("Number").fill("+81 90 1000 0001")
    await press(page, "Search")
    await page.get_by_role("link", name="+819010000001").click()
    line = page.locator(".line-of-time")
    for words in ("Accepted", "Attempt", "Ended"):
        await expect(line).to_contain_text(words)
    await expect(page.locator(".fx-bubble")).to_contain_text("Your parcel")
    width = await page.locator(".fx-bubble").evaluate("e => e.getBoundingClientRect().width")
    assert width == 300
    assert stage.errors == []


# Bulks --------------------------------------------------------------------------------------------


async def test_a_bulk_is_paused_resumed_changed_and_cancelled(stage: Stage) -> None:
    await filled(stage)
    page = stage.page
    await stage.go("/bulks")
    await page.get_by_role("link", name="autumn-news").click()
    await press(page, "Pause")
    await said(page, "now paused")
    await press(page, "Resume")
    await said(page, "now pending")
    await page.get_by_label("Messages", exact=True).fill("50")
    await press(page, "Change")
    await said(page, "was changed")
    await expect(page.get_by_text("50 per minute")).to_be_visible()
    await press(page, "Cancel")
    await said(page, "now canceled")
    await stage.go("/audit")
    for row in ("PENDING", "PAUSED", "CANCELED"):
        await expect(page.locator("table")).to_contain_text(row)


# The composer -------------------------------------------------------------------------------------


async def test_what_is_typed_is_drawn_and_judged_at_its_line(stage: Stage) -> None:
    page = stage.page
    await stage.go("/compose")
    await expect(page.locator("#judged .fx-bubble")).to_contain_text("Your parcel is on its way")
    editor = page.locator("#content")
    text = await editor.input_value()
    await editor.fill(text.replace("Friday, 14:00", "Monday, 9:00"))
    await expect(page.locator("#judged .fx-bubble")).to_contain_text("Monday, 9:00")
    await editor.fill(text.replace('"#FFFFFF"', '"white"'))
    line = text[: text.index('"#FFFFFF"')].count("\n") + 1
    fault = page.locator("#judged .fault")
    await expect(fault).to_contain_text("contents.header.contents[0].color")
    await expect(fault).to_contain_text(f"line {line}")
    await expect(page.locator("#gutter b")).to_have_text(str(line))
    await page.get_by_role("button", name=f"line {line}").click()
    chosen = await editor.evaluate("e => e.value.slice(e.selectionStart, e.selectionEnd)")
    assert '"white"' in chosen
    await editor.fill(text[:-20])
    await expect(fault).to_contain_text("is no JSON")
    await editor.fill('{\n"type": "LINE_NOTIFICATION",\nbroken}')
    await expect(page.get_by_role("button", name="line 3")).to_be_visible()
    await page.get_by_label("Number").fill("12")
    await press(page, "Send the test")
    await expect(page.locator("#done")).to_contain_text("must be a phone number")
    assert stage.errors == []


async def test_a_test_message_is_sent_and_delivered(stage: Stage) -> None:
    page = stage.page
    await stage.go("/compose")
    await page.get_by_label("Number").fill("+819010000001")
    await press(page, "Send the test")
    await page.get_by_role("link", name=re.compile("Watch message")).click()

    async def has_ended() -> bool:
        await page.reload()
        return "Ended" in (await page.locator(".line-of-time").text_content() or "")

    await until(has_ended, every=0.3)
    await stage.go("/sandbox")
    await expect(page.locator(".wall")).to_contain_text("+819010000001")
    await page.get_by_label("Only this number").fill("+81 90 1000 0002")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.locator("main")).to_contain_text("+819010000002 has shown nothing")
    await page.get_by_label("Only this number").fill("+81 90 1000 0001")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.locator(".wall .fx-bubble").first).to_contain_text("Parcel service")
    await stage.go("/guide")
    await expect(page.locator(".steps .done")).to_have_count(4)


async def test_a_template_is_registered_rejected_and_approved(stage: Stage) -> None:
    page = stage.page
    await stage.go("/compose")
    await page.get_by_label("Name").fill("parcel")
    await page.get_by_label("Language").fill("en")
    await press(page, "Register")
    await page.get_by_role("link", name="See all templates").click()
    await page.get_by_label("Reason").fill("the logo is missing")
    await press(page, "Reject")
    await said(page, "parcel is rejected")
    await expect(page.locator("main")).to_contain_text("the logo is missing")
    await press(page, "Approve")
    await said(page, "parcel is approved")
    assert await faults_of(page) == []


# Set-up -------------------------------------------------------------------------------------------


async def test_a_sender_is_checked_paused_and_resumed(stage: Stage) -> None:
    page = stage.page
    await stage.go("/senders/1")
    await press(page, "Ask LINE about it")
    await expect(page.get_by_text("LINE takes the access token")).to_be_visible()
    await page.get_by_label("Why").fill("the night of the move")
    await press(page, "Pause")
    await said(page, "is paused")
    await expect(page.locator("main")).to_contain_text("the night of the move")
    await stage.go("/")
    await expect(page.get_by_text("is held: paused")).to_be_visible()
    await stage.go("/senders/1")
    await press(page, "Resume")
    await said(page, "goes on")
    await page.get_by_label("Countries").fill("JP, tw")
    await page.get_by_label("Relay URL").fill("http://127.0.0.1:9/bot")
    await press(page, "Change")
    await said(page, "was changed")
    await expect(page.locator("dl.facts").first).to_contain_text("JP, TW")
    await expect(page.locator("dl.facts").first).to_contain_text("http://127.0.0.1:9/bot")


async def test_a_sender_and_a_route_are_created(stage: Stage) -> None:
    page = stage.page
    await stage.go("/senders")
    await page.get_by_label("Name, as requests give it").fill("SECOND")
    await page.get_by_label("Channel id").fill("2000000002")
    await page.get_by_label("Channel secret").fill("5" * 32)
    await press(page, "Create sender")
    await said(page, "SECOND was created")
    await stage.go("/senders")
    await page.get_by_label("Name", exact=True).fill("backup")
    await page.get_by_label("URL (smpp").fill("smpp://user:secret@127.0.0.1:2775")
    await press(page, "Create route")
    await said(page, "The route backup was created")
    assert "secret@" not in await page.content()
    await press(page, "Switch off")
    await said(page, "backup is off")


async def test_a_key_is_shown_once_and_works_until_it_is_switched_off(stage: Stage) -> None:
    page = stage.page
    await stage.go("/keys")
    await page.get_by_label("Name").fill("shop")
    await press(page, "Create key")
    key = await page.locator(".key").text_content() or ""
    answer = await stage.gateway.call("GET", "/line/1/reports", authorization=f"App {key}")
    assert answer.status == 200
    await stage.go("/keys")
    assert key not in await page.content()
    row = page.get_by_role("row", name=re.compile("shop"))
    await row.get_by_role("button", name="Switch off").click()
    await said(page, "is off")

    async def is_refused() -> bool:
        again = await stage.gateway.call("GET", "/line/1/reports", authorization=f"App {key}")
        return again.status == 401

    await until(is_refused)


async def test_a_user_is_made_gets_another_password_and_is_switched_off(stage: Stage) -> None:
    page = stage.page
    await stage.go("/users")
    await page.get_by_label("Name", exact=True).fill("night-shift")
    await press(page, "Create user")
    first = await page.locator(".key").text_content()
    row = page.get_by_role("row", name=re.compile("night-shift"))
    await row.get_by_role("button", name="New password").click()
    await expect(page.locator(".key")).not_to_have_text(first or "")
    await (
        page.get_by_role("row", name=re.compile("night-shift"))
        .get_by_role("button", name="Switch off")
        .click()
    )
    await said(page, "night-shift is off")


async def test_an_endpoint_is_set_retried_and_replayed(stage: Stage) -> None:
    page = stage.page
    await stage.go("/webhooks")
    await page.get_by_label("URL", exact=True).fill("http://127.0.0.1:9/reports")
    await press(page, "Set")
    await said(page, "go here from now on")
    await stage.send(a_request("819010000001", "819010000002"))

    async def has_failed() -> bool:
        await page.reload()
        return await page.locator("tbody tr").count() > 0

    await until(has_failed, every=0.3)
    await press(page, "Try what waits now")
    await said(page, "It is tried now")
    await page.locator("tbody input[name=message]").first.check()
    await press(page, "Push the ticked ones again")
    await said(page, "pushed again")
    await page.get_by_role("link", name="failed").click()
    await page.locator("tbody input[name=post]").first.check()
    await press(page, "Push the ticked deliveries again")
    await said(page, "pushed again")
    await page.locator("a[href*=deliveries]").first.click()
    await expect(page.locator("main")).to_contain_text("POST http://127.0.0.1:9/reports")
    await expect(page.locator("main")).to_contain_text("no connection")
    await expect(page.locator("main")).to_contain_text("Exactly what was sent")
    await press(page, "Push its reports again")
    await said(page, "pushed again")
    now = datetime.now(UTC)
    await page.get_by_label("From (UTC)").fill(f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}")
    await page.get_by_label("Until (UTC)").fill(f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M}")
    await press(page, "Push the range again")
    await said(page, "reports are pushed again")


async def test_parts_and_limits_are_set(stage: Stage) -> None:
    page = stage.page
    await stage.go("/parts")
    await page.get_by_label("Id, as requests give it").fill("shop")
    await press(page, "Create")
    await said(page, "application shop was created")
    await page.get_by_label("Messages a day").fill("5000")
    await press(page, "Change")
    await said(page, "limits were changed")
    await expect(page.get_by_label("Messages a day")).to_have_value("5000")


async def test_the_sandbox_switches_how_line_behaves(stage: Stage) -> None:
    page = stage.page
    await stage.go("/sandbox")
    await page.get_by_label("Fate of all messages").select_option("rate_limited")
    await said(page, "LINE now: 429: too many requests")
    await expect(page.get_by_label("Fate of all messages")).to_have_value("rate_limited")
    await expect(page.get_by_text("Switched until it is set back")).to_be_visible()
    sent = await stage.send(a_request("819010000001"))
    message = sent["messages"][0]["messageId"]

    async def was_slowed() -> Any:
        answer = await stage.gateway.call(
            "GET", f"/line/1/messages/{message}", authorization=stage.key
        )
        return "SLOWED" in str(answer.json["timeline"])

    await until(was_slowed)


async def test_logging_out_leads_to_the_door(stage: Stage) -> None:
    await stage.go("/")
    await press(stage.page, "Log out")
    await expect(stage.page.get_by_label("Password")).to_be_visible()
    assert await faults_of(stage.page) == []
    await stage.page.goto(stage.gateway.url + "/console/messages")
    await expect(stage.page.get_by_label("Password")).to_be_visible()
