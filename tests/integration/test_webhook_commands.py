"""`linegate webhook` and `linegate price` as an operator types them."""

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest
from standardwebhooks import Webhook
from typer.testing import CliRunner

from linegate.cli.main import app

Json = dict[str, Any]


@pytest.fixture
def installation(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account `shop` with its own endpoint, on the test's database."""
    monkeypatch.setenv("LINEGATE_DATABASE_URL", database_url)
    monkeypatch.setenv("LINEGATE_SECRET_KEY", base64.b64encode(bytes(32)).decode())
    typed("account", "create", "shop")
    typed("webhook", "set", "--account", "shop", "--url", "http://127.0.0.1:8080/hook")


def typed(*words: str, fails: bool = False) -> str:
    """What a command prints."""
    result = CliRunner().invoke(app, list(words))
    assert (result.exit_code != 0) is fails, result.output
    return result.stdout


def shown(*words: str, fails: bool = False) -> Json:
    """The same as JSON."""
    answer: Json = json.loads(typed(*words, "--json", fails=fails))
    return answer


@pytest.mark.usefixtures("installation")
def test_endpoints_are_listed_and_shown() -> None:
    (endpoint,) = shown("webhook", "list")["endpoints"]
    assert (endpoint["account"], endpoint["state"], endpoint["waiting"]) == ("shop", "new", 0)
    assert shown("webhook", "list", "--account", "other") == {"endpoints": []}
    assert shown("webhook", "show", str(endpoint["id"])) == endpoint
    typed("webhook", "show", "999", fails=True)


@pytest.mark.usefixtures("installation")
@pytest.mark.parametrize("url", ["ftp://example.com/", "example.com", "http://", "http://[::1"])
def test_a_url_that_is_never_called_is_not_set(url: str) -> None:
    typed("webhook", "set", "--account", "shop", "--url", url, fails=True)
    (endpoint,) = shown("webhook", "list")["endpoints"]
    assert endpoint["url"] == "http://127.0.0.1:8080/hook"


@pytest.mark.usefixtures("installation")
def test_a_test_push_keeps_to_the_rules_for_addresses() -> None:
    (endpoint,) = shown("webhook", "list")["endpoints"]
    tried = shown("webhook", "test", str(endpoint["id"]), fails=True)
    assert (tried["result"], tried["detail"]) == ("failed", "the address is not a public one")


class _Receiver(BaseHTTPRequestHandler):
    """Takes what comes to /good and fails what comes elsewhere; keeps it all."""

    got: ClassVar[list[tuple[bytes, dict[str, str]]]] = []

    def do_POST(self) -> None:
        """Answer one push."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append((body, dict(self.headers.items())))
        self.send_response(200 if self.path == "/good" else 500)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[str]:
    """A receiver's URL; in a thread, since commands want the main one."""
    _Receiver.got.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Receiver) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.usefixtures("installation")
def test_a_test_push_is_signed_and_says_what_the_endpoint_answered(
    receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEGATE_WEBHOOK_ALLOW_PRIVATE", "true")
    typed("webhook", "set", "--account", "shop", "--url", receiver + "/good")
    (endpoint,) = shown("webhook", "list")["endpoints"]
    id_ = str(endpoint["id"])
    tried = shown("webhook", "test", id_)
    assert (tried["result"], tried["code"], tried["url"]) == ("taken", 200, receiver + "/good")
    typed("webhook", "set", "--account", "shop", "--url", receiver + "/bad")
    failed = shown("webhook", "test", id_, fails=True)
    assert (failed["result"], failed["code"]) == ("failed", 500)
    secret = typed("webhook", "secret", "--account", "shop").strip()
    (body, headers), _ = _Receiver.got
    (report,) = Webhook(secret).verify(body, headers)["results"]
    assert (report["messageId"], report["status"]["groupName"]) == ("TEST-MESSAGE", "DELIVERED")


@pytest.mark.usefixtures("installation")
def test_retry_and_replay_say_how_many_reports_they_move() -> None:
    (endpoint,) = shown("webhook", "list")["endpoints"]
    id_ = str(endpoint["id"])
    assert shown("webhook", "retry", id_)["broughtForward"] == 0
    assert shown("webhook", "replay", id_, "--since", "2026-01-01T00:00:00Z", "--all") == {
        "endpoint": endpoint["id"],
        "queued": 0,
    }
    typed("webhook", "replay", id_, "--since", "yesterday", fails=True)
    typed("webhook", "retry", "999", fails=True)
    replayed, retried, *_ = shown("audit", "--account", "shop")["changes"]
    for each in (replayed, retried):
        assert each["actor"].startswith("linegate command of ")
        assert (each["kind"], each["subject"]) == ("endpoint", endpoint["url"])
    assert retried["changes"] == {"retry": [None, 0]}
    assert replayed["changes"]["replay"] == [None, 0]
    assert replayed["changes"]["since"] == [None, "2026-01-01T00:00:00.000+0000"]


@pytest.mark.usefixtures("installation")
def test_a_price_needs_a_currency_and_a_sender() -> None:
    secret = ("--channel-secret", "x", "--access-token", "x")
    typed("sender", "create", "--account", "shop", "--sender", "S", "--channel-id", "1", *secret)
    named = ("price", "set", "--account", "shop", "--sender", "S")
    assert shown(*named, "--price", "0.15", "--currency", "EUR")["price"] == "0.15"
    assert typed(*named) == "no price\n"
    typed(*named, "--price", "0.15", fails=True)
    typed(*named, "--price", "-1", "--currency", "EUR", fails=True)
    typed("price", "set", "--account", "shop", "--sender", "T", fails=True)
