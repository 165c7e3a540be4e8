"""Commands for keys, users, senders and blocked destinations, as scripts use them."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from linegate.cli.main import app


class Shell:
    """Runs commands on one database."""

    def __init__(self, dsn: str) -> None:
        self._environment = {
            "LINEGATE_DATABASE_URL": dsn,
            "LINEGATE_SECRET_KEY": base64.b64encode(bytes(32)).decode(),
            "LINEGATE_LINE_API_URL": "http://127.0.0.1:1",
        }

    def run(self, *words: str, **variables: str) -> Result:
        return CliRunner().invoke(app, words, env={**self._environment, **variables})

    def json(self, *words: str) -> Any:
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def refusal(self, *words: str) -> str:
        result = self.run(*words)
        assert result.exit_code != 0
        return result.stderr


@pytest.fixture
def shell(database_url: str) -> Shell:
    made = Shell(database_url)
    made.json("account", "create", "acme")
    return made


ACME = ("--account", "acme")


def test_keys_are_made_listed_switched_and_rotated(shell: Shell) -> None:
    plain = shell.run(
        *("key", "create", *ACME, "--name", "shop", "--scope", "line:manage", "--expires", "90d"),
        *("--allow-address", "192.0.2.0/24", "--fill-application", "a", "--force-entity", "e"),
    )
    key = plain.stdout.splitlines()[-1]
    [listed] = shell.json("key", "list", *ACME)["keys"]
    assert listed["hint"] == key[:8]
    assert (listed["name"], listed["state"], listed["scopes"]) == (
        "shop",
        "enabled",
        ["line:manage"],
    )
    assert listed["allowedAddresses"] == ["192.0.2.0/24"]
    assert (listed["fillApplication"], listed["forceEntity"]) == ("a", "e")
    number = str(listed["id"])
    rotated = shell.json("key", "rotate", *ACME, number, "--grace", "0s")
    assert rotated["key"] != key
    assert [each["state"] for each in shell.json("key", "list", *ACME)["keys"]] == [
        "expired",
        "enabled",
    ]
    shell.json("key", "disable", *ACME, str(rotated["id"]))
    assert shell.json("key", "list", *ACME)["keys"][1]["state"] == "disabled"
    assert "no enabled key" in shell.refusal("key", "rotate", *ACME, str(rotated["id"]))
    shell.json("key", "enable", *ACME, str(rotated["id"]))


def test_a_key_that_does_not_work_yet_has_a_successor_that_does_not_either(shell: Shell) -> None:
    shell.json("key", "create", *ACME, "--valid-from", "2h")
    shell.json("key", "rotate", *ACME, "1")
    old, new = shell.json("key", "list", *ACME)["keys"]
    assert new["validFrom"] == old["validFrom"] is not None


def test_rules_of_a_key_are_changed_one_by_one_and_taken_away(shell: Shell) -> None:
    shell.json("key", "create", *ACME, "--name", "shop", "--messages-waiting", "9")
    changed = shell.json(
        *("key", "set", *ACME, "1", "--scope", "line:manage", "--allow-address", "192.0.2.0/24"),
        *("--expires", "2h", "--force-entity", "e", "--requests-per-second", "3"),
    )
    assert (changed["name"], changed["scopes"]) == ("shop", ["line:manage"])
    assert (changed["forceEntity"], changed["messagesWaiting"]) == ("e", 9)
    changed = shell.json(
        *("key", "set", *ACME, "1", "--allow-address", "none", "--expires", "none"),
        *("--force-entity", "none", "--fill-entity", "f", "--messages-waiting", "none"),
    )
    assert (changed["allowedAddresses"], changed["expires"]) == ([], None)
    assert (changed["fillEntity"], changed["forceEntity"]) == ("f", None)
    assert (changed["requestsPerSecond"], changed["messagesWaiting"]) == (3, None)
    told = shell.refusal("key", "set", *ACME, "1", "--messages-per-day", "many")
    assert "--messages-per-day must be a whole number or null" in told
    assert "at least one setting" in shell.refusal("key", "set", *ACME, "1")
    assert "no key 9" in shell.refusal("key", "set", *ACME, "9", "--name", "x")
    shell.json("key", "remove", *ACME, "1")
    assert shell.json("key", "list", *ACME)["keys"] == []


def test_routes_users_and_accounts_are_changed_and_removed(shell: Shell) -> None:
    route = ("--name", "main")
    shell.json("sms-route", "create", *ACME, *route, "--url", "infobip://key@example.com")
    changed = shell.json(
        *("sms-route", "set", *ACME, *route, "--prefix", "66", "--default-sender", "Shop"),
        *("--priority", "2"),
    )
    assert (changed["prefixes"], changed["defaultSender"], changed["priority"]) == (
        ["66"],
        "Shop",
        2,
    )
    assert shell.json("sms-route", "set", *ACME, *route, "--prefix", "none")["prefixes"] == []
    wrong = ("--prefix", "+66")
    assert "--prefix must be 1 to 15" in shell.refusal("sms-route", "set", *ACME, *route, *wrong)
    shell.json("sms-route", "remove", *ACME, *route)
    shell.json("user", "create", *ACME, "--user", "alice")
    who = (*ACME, "--user", "alice")
    changed = shell.json("user", "set", *who, "--scope", "line:manage", "--operator")
    assert (changed["scopes"], changed["operator"]) == (["line:manage"], True)
    shell.json("user", "remove", *who)
    assert "no user" in shell.refusal("user", "remove", *who)
    sender = (*ACME, "--sender", "ACME")
    shell.json("sender", "create", *sender, "--channel-id", "1", "--channel-secret", "s" * 32)
    shell.json("entity", "set", *ACME, "tokyo", "--default-sender", "ACME")
    assert "default sender" in shell.refusal("sender", "remove", *sender)
    shell.json("entity", "remove", *ACME, "tokyo")
    shell.json("sender", "remove", *sender)
    shell.json("account", "remove", "acme")
    assert shell.json("account", "list")["accounts"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--scope", "nonsense"), "the scopes are"),
        (("--allow-address", "nowhere"), "--allow-address must be an address"),
        (("--expires", "soon"), "--expires"),
        (("--fill-entity", "a", "--force-entity", "b"), "exclude"),
    ],
)
def test_key_that_makes_no_sense_is_refused(
    shell: Shell, words: tuple[str, ...], says: str
) -> None:
    assert says in shell.refusal("key", "create", *ACME, *words)


def test_users_are_made_with_a_password_that_is_shown_once_or_given(
    shell: Shell, tmp_path: Path
) -> None:
    made = shell.run("user", "create", *ACME, "--user", "alice")
    assert len(made.stdout.splitlines()[-1]) == 32
    file = tmp_path / "password"
    file.write_text("a password of my own\n")
    given = shell.json("user", "create", *ACME, "--user", "bob", "--password-file", str(file))
    assert "password" not in given
    assert "already" in shell.refusal("user", "create", *ACME, "--user", "bob")
    shell.json("user", "disable", *ACME, "--user", "bob")
    users = shell.json("user", "list", *ACME)["users"]
    assert [(each["name"], each["enabled"]) for each in users] == [("alice", True), ("bob", False)]
    assert len(shell.json("user", "password", *ACME, "--user", "alice")["password"]) == 32
    file.write_text("short")
    assert "12 characters" in shell.refusal(
        "user", "create", *ACME, "--user", "eve", "--password-file", str(file)
    )


def test_senders_are_set_paused_and_resumed(shell: Shell) -> None:
    created = shell.run(
        *("sender", "create", *ACME, "--sender", "ACME", "--channel-id", "1"),
        LINEGATE_CHANNEL_SECRET="secret",
    )
    assert created.exit_code == 0, created.output
    named = (*ACME, "--sender", "ACME")
    url = "https://bot.example.com/hook"
    shell.json("sender", "set", *named, "--countries", "jp,TW", "--relay-url", url)
    [listed] = shell.json("sender", "list", *ACME)["senders"]
    assert (listed["countries"], listed["relayUrl"]) == (["JP", "TW"], url)
    assert (listed["credentials"], listed["words"]) == ("channel secret", "sending")
    shell.json("sender", "pause", *named, "--reason", "audit")
    [paused] = shell.json("sender", "list", *ACME)["senders"]
    assert paused["hold"] == "paused"
    assert "audit" in paused["words"]
    shell.json("sender", "resume", *named)
    shell.json("sender", "set", *named, "--no-relay")
    [resumed] = shell.json("sender", "list", *ACME)["senders"]
    assert (resumed["hold"], resumed["relayUrl"]) == (None, None)
    assert resumed["countries"] == ["JP", "TW"]


def test_sender_that_makes_no_sense_is_refused(shell: Shell, tmp_path: Path) -> None:
    shell.run(
        "sender", "create", *ACME, "--sender", "S", "--channel-id", "1", "--channel-secret", "s"
    )
    named = ("sender", "set", *ACME, "--sender", "S")
    assert "country" in shell.refusal(*named, "--countries", "JP,XX")
    assert "--relay-url" in shell.refusal(*named, "--relay-url", "ftp://example.com/")
    key = tmp_path / "key.pem"
    key.write_text("nonsense")
    assert "cannot be read" in shell.refusal(
        *named, "--assertion-key-file", str(key), "--assertion-kid", "k"
    )
    assert "no sender" in shell.refusal("sender", "pause", *ACME, "--sender", "T")


def test_check_that_finds_something_wrong_ends_with_1(shell: Shell) -> None:
    shell.run(
        "sender", "create", *ACME, "--sender", "S", "--channel-id", "1", "--channel-secret", "s"
    )
    result = shell.run("sender", "check", *ACME, "--sender", "S")
    assert result.exit_code == 1
    assert "ok   sending" in result.stdout
    assert "BAD  LINE cannot be asked for a token now" in result.stdout


def test_destinations_are_blocked_listed_and_let_go(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "numbers"
    file.write_text("+81 90-1000-0002\n\n819010000003\n")
    added = shell.json("blocklist", "add", *ACME, "819010000001", "--file", str(file))
    assert added["added"] == 3
    assert shell.run("blocklist", "list", *ACME).stdout.split() == [
        "819010000001",
        "819010000002",
        "819010000003",
    ]
    assert shell.json("blocklist", "remove", *ACME, "+819010000002")["removed"] == 1
    assert len(shell.json("blocklist", "list", *ACME)["blocklist"]) == 2
    file.write_text("819010000001\nnonsense\n")
    assert "line 2" in shell.refusal("blocklist", "add", *ACME, "--file", str(file))


def test_settings_of_an_account_are_set_one_by_one_and_taken_away(shell: Shell) -> None:
    first = shell.json("account", "set", "acme", "--messages-per-day", "7", "--retention-days", "3")
    assert (first["messagesPerDay"], first["retentionDays"]) == (7, 3)
    second = shell.json("account", "set", "acme", "--messages-per-day", "none")
    assert (second["messagesPerDay"], second["retentionDays"]) == (None, 3)
    assert shell.json("account", "show", "acme") == second
    refuse = shell.refusal
    assert "no sender NONE" in refuse("account", "set", "acme", "--default-sender", "NONE")
    low = refuse("account", "set", "acme", "--requests-per-second", "0")
    assert "--requests-per-second must be at least 1" in low
    assert "--messages-per-day" in refuse("account", "set", "acme", "--messages-per-day", "many")
    assert "at least one" in refuse("account", "set", "acme")
    assert "no account" in refuse("account", "show", "nobody")
    assert shell.json("account", "show", "acme") == second


def test_limits_of_a_key_are_shown_and_outlive_its_rotation(shell: Shell) -> None:
    shell.json("key", "create", *ACME)
    [made] = shell.json("key", "list", *ACME)["keys"]
    number = str(made["id"])
    limits = ("--requests-per-second", "5", "--messages-per-day", "100")
    shown = shell.json("key", "set", *ACME, number, *limits)
    assert (shown["requestsPerSecond"], shown["messagesPerDay"]) == (5, 100)
    shell.json("key", "rotate", *ACME, number)
    new = shell.json("key", "list", *ACME)["keys"][1]
    assert (new["requestsPerSecond"], new["messagesPerDay"]) == (5, 100)
    changed = shell.json("key", "set", *ACME, number, "--requests-per-second", "none")
    assert (changed["requestsPerSecond"], changed["messagesPerDay"]) == (None, 100)
    assert "no key 77" in shell.refusal("key", "set", *ACME, "77", *limits)


@pytest.mark.parametrize(
    ("kind", "plural"), [("application", "applications"), ("entity", "entities")]
)
def test_settings_of_a_division_are_set_one_by_one(shell: Shell, kind: str, plural: str) -> None:
    made = shell.json(kind, "set", *ACME, "shop", "--messages-per-day", "0", "--name", "Shop")
    assert (made["id"], made["name"], made["messagesPerDay"]) == ("shop", "Shop", 0)
    url = "https://shop.example/reports"
    more = shell.json(kind, "set", *ACME, "shop", "--webhook", url, "--templates", "required")
    assert more == {**made, "webhook": url, "templates": "required"}
    less = shell.json(kind, "set", *ACME, "shop", "--webhook", "none", "--messages-per-day", "9")
    assert less == {**more, "webhook": None, "messagesPerDay": 9}
    assert shell.json(kind, "list", *ACME) == {"account": "acme", plural: [less]}
    assert "templates" in shell.refusal(kind, "set", *ACME, "shop", "--templates", "all")
    assert "no sender NONE" in shell.refusal(kind, "set", *ACME, "new", "--default-sender", "NONE")
    assert shell.json(kind, "list", *ACME)[plural] == [less]
