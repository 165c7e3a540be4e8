"""The forms of the set-up in a real browser, all in one stage, and then their looks."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect
from starlette.routing import Mount, Route

from support.browser import CHROMIUM, Stage, a_stage, faults_of_pages, log_in, press, said
from support.certificates import a_client_pem

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="this machine lacks chromium")


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with a_stage(database_url) as running:
        await log_in(running)
        yield running


async def secure(stage: Stage, page: Page) -> None:
    """Security settings of two types: the fields are those of the type that is chosen."""
    await stage.go("/webhooks/profiles")
    form = page.locator("#security-form")
    await form.get_by_label("Id of the settings").fill("by-digest")
    await expect(form.get_by_label("User", exact=True)).to_be_visible()
    await form.get_by_label("Type").select_option("HMAC")
    await expect(form.get_by_label("User", exact=True)).to_be_hidden()
    await form.get_by_label("Secret key").fill("a-secret-of-ours")
    await press(page, "Create settings")
    await said(page, "by-digest: created")
    await form.get_by_label("Id of the settings").fill("by-header")
    await form.get_by_label("Type").select_option("CUSTOM")
    await form.get_by_label("Headers with their values").fill("X-Shop: open sesame")
    await press(page, "Create settings")
    await said(page, "by-header: created")
    await page.get_by_role("link", name="Change the security settings by-digest").click()
    await expect(form.get_by_label("Secret key")).to_have_value("********")
    await press(page, "Change settings")
    await said(page, "by-digest: changed")


async def certificate(stage: Stage, page: Page) -> None:
    form = page.locator("#certificate-form")
    await form.get_by_label("Certificate id").fill("plant-client")
    await form.get_by_label("Certificate, its chain").fill(a_client_pem("plant client", "word"))
    await form.get_by_label("Passphrase").fill("word")
    await press(page, "Keep certificate")
    await said(page, "plant-client was kept")
    await expect(page.get_by_role("row", name="plant-client")).to_contain_text("ends soon")


async def key(stage: Stage, page: Page) -> None:
    """A key with limits, other rules, a successor."""
    await stage.go("/keys")
    form = page.locator("form[action$=keys]")
    await form.get_by_label("Name").fill("shop")
    await form.get_by_label("Messages a day").fill("20000")
    await press(page, "Create key")
    await page.get_by_role("link", name="Change key 2").click()
    form = page.locator("#key-form")
    await expect(form.get_by_label("Messages a day")).to_have_value("20000")
    await form.get_by_label("Requests a second").fill("20")
    await form.get_by_label("Ends (UTC)").fill("2031-02-01T09:30")
    await form.get_by_label("Only from these addresses").fill("127.0.0.0/8")
    await press(page, "Change")
    await said(page, "Key 2 was changed")
    row = page.get_by_role("row", name="20 requests a second")
    await expect(row).to_contain_text("2031-02-01 09:30:00")
    await row.get_by_role("button", name="Rotate").click()
    await expect(page.locator(".key")).to_be_visible()
    await expect(row).to_have_count(2)


async def profile(stage: Stage, page: Page) -> None:
    form = page.locator("#profile-form")
    await form.get_by_label("Profile id").fill("plant")
    await form.get_by_label("Where reports go").fill("https://example.com/plant")
    await form.get_by_label("Security").select_option("by-digest")
    await form.get_by_label("Client certificate").select_option("plant-client")
    await form.locator("summary").click()
    await form.get_by_label("Reports in one request").fill("50")
    await form.get_by_label("Headers").fill("X-Plant: north")
    await press(page, "Create profile")
    await said(page, "plant: created")
    await page.get_by_role("link", name="Change the profile plant").click()
    await expect(form.get_by_label("Reports in one request")).to_have_value("50")
    await expect(form.get_by_label("Headers")).to_have_value("X-Plant: ********\n")
    await form.get_by_label("Format").select_option("application/xml")
    await press(page, "Change profile")
    await said(page, "plant: changed")
    assert "north" not in await page.content()


async def subscription(stage: Stage, page: Page) -> None:
    await stage.go("/webhooks")
    await page.get_by_label("Id", exact=True).fill("plant-reports")
    await page.get_by_label("Profile", exact=True).fill("plant")
    await page.get_by_label("Criteria, as JSON").fill('[{"entityId": "plant"}]')
    await press(page, "Create subscription")
    await said(page, "plant-reports was created")
    await page.get_by_role("link", name="Change plant-reports").click()
    await page.get_by_label("Senders, one a line").fill("ACME")
    await press(page, "Change subscription")
    await said(page, "plant-reports was changed")
    await expect(page.get_by_role("row", name="plant-reports")).to_contain_text("ACME")


async def part(stage: Stage, page: Page) -> None:
    await stage.go("/parts")
    await page.get_by_label("Kind").select_option("entity")
    await page.get_by_label("Id, as requests give it").fill("plant")
    await press(page, "Create")
    await said(page, "entity plant was created")
    await page.get_by_role("link", name="Change the settings of entity plant").click()
    form = page.locator("form[action$=settings]")
    await form.get_by_label("Default sender").select_option("ACME")
    await form.get_by_label("Templates").select_option("required")
    await form.get_by_role("button", name="Change").click()
    await expect(page.get_by_role("row", name="plant")).to_contain_text("required")


async def route(stage: Stage, page: Page) -> None:
    await stage.go("/senders")
    await page.get_by_label("Name", exact=True).fill("backup")
    await page.get_by_label("URL (smpp").fill("smpp://user:secret@127.0.0.1:9")
    await press(page, "Create route")
    await press(page, "Check")
    await said(page, "The route backup is not usable: cannot connect: Connection refused")


async def account(stage: Stage, page: Page) -> None:
    await stage.go("/accounts")
    await page.get_by_label("Name of the account").fill("newcomer")
    await press(page, "Create account")
    await said(page, "newcomer was created")
    row = page.get_by_role("row", name="newcomer")
    await row.get_by_role("button", name="Suspend").click()
    await said(page, "newcomer is suspended")
    await expect(row).to_contain_text("suspended")
    await row.get_by_role("button", name="Resume").click()
    await said(page, "newcomer goes on")
    await stage.go("/audit")
    await expect(page.locator("table")).to_contain_text("suspended at")


async def guide(stage: Stage, page: Page) -> None:
    """The first run ends with a delivered message."""
    await stage.go("/guide")
    await press(page, "Check now")
    await expect(page.get_by_text("LINE takes the access token")).to_be_visible()
    await page.get_by_label("Test number").fill("+819010000001")
    await press(page, "Send it")
    await expect(page.locator("#followed")).to_contain_text("You are set up", timeout=20_000)
    await stage.go("/guide")
    await expect(page.locator(".steps .done")).to_have_count(5)


async def choice(stage: Stage, page: Page) -> None:
    """An operator looks at one account, and at all of them again."""
    await stage.go("/audit")
    chooser = page.get_by_label("Account", exact=True)
    for name in ("newcomer", "all accounts"):
        async with page.expect_navigation():
            await chooser.select_option(label=name)
        await expect(page.locator("#account-choice option:checked")).to_have_text(name)


async def undone(stage: Stage, page: Page) -> None:
    """What was made is tried and deleted, what is needed by others last."""
    await stage.go("/webhooks/profiles")
    certificate = page.get_by_role("row", name="plant client")
    await certificate.get_by_role("textbox", name="URL").fill("https://127.0.0.1:9/reports")
    await certificate.get_by_role("button", name="Try the certificate plant-client").click()
    await said(page, "plant-client")
    assert "400 (Bad Request)" in stage.errors.pop()  # nobody listens there
    await stage.go("/webhooks")
    await deleted(page, "plant-reports")
    await stage.go("/webhooks/profiles")
    for name in ("plant", "by-header", "by-digest", "plant-client"):
        await deleted(page, name)


async def deleted(page: Page, name: str) -> None:
    """A row goes by its button."""
    own = page.get_by_role("cell", name=name, exact=True)
    row = page.get_by_role("row").filter(has=own).first
    await row.get_by_role("button", name="Delete").click()
    await said(page, re.compile("deleted", re.IGNORECASE))
    await expect(page.get_by_role("row").filter(has=own)).to_have_count(0)


# What other browser tests press.
ELSEWHERE = {"/keys/switch", "/routes/switch"}


def buttons(stage: Stage) -> set[str]:
    """What can be posted to here, of all that the console has."""
    about = ("/account", "/guide", "/keys", "/parts/settings", "/routes", "/subscriptions")
    webhooks = tuple(f"/webhooks/{each}" for each in ("profiles", "security", "certificates"))
    (console,) = (each for each in stage.gateway.routes if isinstance(each, Mount))
    paths = {
        route.path
        for route in console.routes
        if isinstance(route, Route) and "POST" in (route.methods or ())
    }
    return {path for path in paths if path.startswith((*about, *webhooks))} - ELSEWHERE


async def test_all_of_the_set_up_is_made_and_changed_in_the_browser(stage: Stage) -> None:
    for step in (secure, certificate, profile, subscription, part, route, key, account, guide):
        await step(stage, stage.page)
    pages = {
        "profile": "/webhooks/profiles?profile=plant&security=by-digest",
        "key": "/keys?key=2",
        "subscription": "/webhooks?subscription=plant-reports",
        "part": "/parts?kind=entity&id=plant",
        "routes": "/senders",
        "accounts": "/accounts",
        "guide": "/guide",
    }
    faults = await faults_of_pages(stage, pages)
    assert not faults, "\n".join(faults)
    await choice(stage, stage.page)
    await undone(stage, stage.page)
    assert len(buttons(stage)) > 15
    assert buttons(stage) <= {path.removeprefix("/console") for path in stage.posted}
    assert stage.errors == []
