"""Declarations become so, once; what they no longer name goes where that is asked for."""

from collections.abc import AsyncIterator
from copy import deepcopy

import pytest

from linegate.admin.apply import apply_document
from linegate.admin.desired import Document, DocumentError, Secret
from linegate.admin.notes import Change, Hands
from linegate.admin.reading import read, read_toml
from linegate.api.passwords import hash_password
from linegate.api.template_request import read_wording
from linegate.postgres.audit import list_audit
from support.clock import FakeClock
from support.declared import KEY, Json, a_declaration, a_template
from support.gateway import Gateway, a_request, running_api


@pytest.fixture
async def gateway(database_url: str, clock: FakeClock) -> AsyncIterator[Gateway]:
    async with running_api(database_url, clock) as running:
        yield running


def plain(secret: Secret) -> str:
    assert isinstance(secret, str)
    return secret


async def apply(
    gateway: Gateway,
    clock: FakeClock,
    tree: Json,
    *,
    dry_run: bool = False,
    pruned: bool = False,
) -> list[Change]:
    hands = Hands(gateway.store.vault, plain, hash_password, read_wording, "a test")
    document = read(deepcopy(tree), Document)
    return await apply_document(
        gateway.store.pool, document, hands, dry_run=dry_run, now=clock.now(), pruned=pruned
    )


async def test_applying_twice_changes_nothing_the_second_time(
    gateway: Gateway, clock: FakeClock
) -> None:
    first = await apply(gateway, clock, a_declaration())
    made = {change.subject for change in first if change.after == "created"}
    assert made >= {"shop account", "shop sender SHOP", "shop key backend", "shop user anna"}
    assert await apply(gateway, clock, a_declaration()) == []
    answer = await gateway.call(
        "POST", "/line/1/messages", authorization=f"App {KEY}", json=a_request(sender="SHOP")
    )
    assert answer.status == 200


async def test_a_dry_run_tells_the_difference_and_makes_none(
    gateway: Gateway, clock: FakeClock
) -> None:
    told = await apply(gateway, clock, a_declaration(), dry_run=True)
    async with gateway.store.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM account WHERE name = 'shop'") == 0
    assert await apply(gateway, clock, a_declaration()) == told


async def test_only_what_differs_is_changed_and_told_without_secrets(
    gateway: Gateway, clock: FakeClock
) -> None:
    await apply(gateway, clock, a_declaration())
    tree = a_declaration(messagesPerDay=2000, suspended=True)
    tree["accounts"][0]["senders"][0]["channelSecret"] = "t" * 32
    told = await apply(gateway, clock, tree)
    assert [(each.subject, each.field) for each in told] == [
        ("shop sender SHOP", "channel_secret"),
        ("shop account", "messages_per_day"),
        ("shop account", "suspended"),
    ]
    assert "ttt" not in str(told)


WRONG: tuple[tuple[Json, str], ...] = (
    ({"defaultSender": "NOBODY"}, "no sender NOBODY"),
    ({"colour": "red"}, r"accounts\[0\].colour is not known here"),
    ({"keys": [{"key": "short"}]}, "at least 32"),
    ({"keys": [{"key": KEY, "scopes": ["fly"]}]}, "unknown scope fly"),
    ({"blocklist": ["nobody"]}, "no phone number"),
    ({"senders": [{"name": "ACME", "channelId": "1", "channelSecret": "s"}]}, "another"),
    ({"retentionDays": 0}, "retentionDays"),
    ({"templates": [a_template(sender="NONE")]}, "no sender NONE"),
    ({"templates": [a_template(contents={"type": "bubble"})]}, "SHOP hi: contents"),
    ({"templates": [a_template(file="x.json")]}, "one of them"),
)


async def test_what_cannot_be_applied_is_named_and_changes_nothing(
    gateway: Gateway, clock: FakeClock
) -> None:
    for more, words in WRONG:
        with pytest.raises(DocumentError, match=words):
            await apply(gateway, clock, a_declaration(**more))
    async with gateway.store.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM account WHERE name = 'shop'") == 0


async def test_declared_template_gets_versions_and_stays_approved(
    gateway: Gateway, clock: FakeClock
) -> None:
    async def told(template: Json) -> list[tuple[str, object, object]]:
        changes = await apply(gateway, clock, a_declaration(templates=[template]))
        mine = [each for each in changes if "template" in each.subject]
        return [(each.field, each.before, each.after) for each in mine]

    assert await told(a_template()) == [("", None, "created")]
    assert await told(a_template(approved=True)) == [("status", "PENDING", "APPROVED")]
    assert await told(a_template()) == []  # what was approved stays so
    other = a_template("Bye {{name}}")
    assert await told(other) == [("version", 1, 2)]
    other["approved"] = True
    assert await told(other) == [("status", "PENDING", "APPROVED")]
    assert await told(other) == []


async def test_the_audit_names_who_applied(gateway: Gateway, clock: FakeClock) -> None:
    await apply(gateway, clock, a_declaration())
    async with gateway.store.pool.acquire() as conn:
        changes = await list_audit(conn, account_id=None, limit=100)
    mine = [each for each in changes if each.account == "shop"]
    assert {each.actor for each in mine} == {"a test"}
    told = str([each.changes for each in mine])
    assert "v1." not in told
    assert "819010000099" not in told


async def test_what_a_declaration_no_longer_names_goes_only_when_pruned(
    gateway: Gateway, clock: FakeClock
) -> None:
    await apply(gateway, clock, a_declaration())
    emptied = a_declaration(
        keys=[], users=[], applications=[], entities=[], smsRoutes=[], templates=[], blocklist=[]
    )
    assert await apply(gateway, clock, emptied) == []
    told = await apply(gateway, clock, emptied, dry_run=True, pruned=True)
    assert {each.subject for each in told if each.after == "removed"} == {
        "shop key backend",
        "shop user anna",
        "shop sms_route main",
        "shop template SHOP hi",
    }
    cleared = {(each.subject, each.field) for each in told if each.after is None}
    assert cleared >= {
        ("shop application web", "messages_per_day"),
        ("shop entity tokyo", "default_sender"),
    }
    assert await apply(gateway, clock, emptied) == []  # a dry run removes nothing
    assert await apply(gateway, clock, emptied, pruned=True) == told
    assert await apply(gateway, clock, emptied, pruned=True) == []
    pool = gateway.store.pool
    for table in ("api_key", "api_user", "sms_route"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    assert await pool.fetchval("SELECT count(*) FROM blocklist") == 1  # always stays


async def test_pruning_leaves_alone_what_no_list_is_given_of(
    gateway: Gateway, clock: FakeClock
) -> None:
    await apply(gateway, clock, a_declaration())
    bare = {"accounts": [{"name": "shop", "webhook": "https://shop.example/reports"}]}
    await apply(gateway, clock, bare)
    assert await apply(gateway, clock, bare, pruned=True) == []
    assert await gateway.store.pool.fetchval("SELECT count(*) FROM api_key") == 1
    assert await apply(gateway, clock, {"accounts": []}, pruned=True) == []


async def test_sender_that_has_sent_is_paused_by_pruning_and_one_that_has_not_is_gone(
    gateway: Gateway, clock: FakeClock
) -> None:
    fresh = {"name": "FRESH", "channelId": "9", "channelSecret": "s" * 32}
    tree = a_declaration(templates=[], entities=[])
    tree["accounts"][0]["senders"].append(fresh)
    await apply(gateway, clock, tree)
    answer = await gateway.call(
        "POST", "/line/1/messages", authorization=f"App {KEY}", json=a_request(sender="SHOP")
    )
    assert answer.status == 200
    left = a_declaration(templates=[], entities=[], senders=[], defaultSender=None)
    told = await apply(gateway, clock, left, pruned=True)
    mine = {(each.subject, each.field, each.after) for each in told if "sender " in each.subject}
    assert mine == {("shop sender SHOP", "hold", "paused"), ("shop sender FRESH", "", "removed")}
    assert await apply(gateway, clock, left, pruned=True) == []
    assert await gateway.store.pool.fetchval("SELECT hold FROM sender WHERE name = 'SHOP'")


async def test_what_is_wrong_in_a_file_is_told_at_its_place_in_the_files_spelling() -> None:
    text = """
    [[accounts]]
    name = "shop"
    messages_per_day = "many"
    colour = "red"
      [[accounts.senders]]
      name = "SHOP"
      channel_id = 7
      countries = ["Japan"]
      templates = "all"
      [[accounts.keys]]
      expires = "soon"
      key = { env = "KEY" }
      [[accounts.sms_routes]]
      name = "main"
      priority = 2000
      prefixes = ["+66"]
    """
    with pytest.raises(DocumentError) as told:
        read_toml(text)
    assert {(each.property, each.violation) for each in told.value.violations} == {
        ("accounts[0].messages_per_day", "must be a whole number or null"),
        ("accounts[0].colour", "is not known here"),
        ("accounts[0].senders[0].channel_id", "must be a string"),
        ("accounts[0].senders[0].countries[0]", "must be two capital letters, such as JP"),
        ("accounts[0].senders[0].templates", "must be one of optional, required"),
        ("accounts[0].keys[0].expires", "must be an instant like 2027-01-31T00:00:00Z"),
        ("accounts[0].sms_routes[0].priority", "must be at most 1000"),
        (
            "accounts[0].sms_routes[0].prefixes[0]",
            "must be 1 to 15 digits with the country code",
        ),
    }
    with pytest.raises(DocumentError, match="document"):
        read_toml("accounts = [")


async def test_file_and_api_say_the_same_of_one_account() -> None:
    document = read_toml("""
    [[accounts]]
    name = "shop"
    default_sender = "SHOP"
      [[accounts.sms_routes]]
      name = "main"
      url = { env = "URL" }
      [[accounts.templates]]
      sender = "SHOP"
      name = "hi"
      alt_text = "Hi"
      contents = { some_thing = 1 }
    """)
    (account,) = document.accounts
    assert account.default_sender == "SHOP"
    assert account.sms_routes[0].url.env == "URL"  # type: ignore[index,union-attr]
    assert account.templates[0].contents == {"some_thing": 1}  # type: ignore[index]
