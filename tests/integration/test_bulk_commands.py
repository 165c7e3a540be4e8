"""`linegate bulk`, `plan` and `send` from the command line."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from linegate.accept.accept_bulk import Acceptor
from linegate.cli.main import app
from linegate.domain.bulk import Bulk, Schedule
from linegate.domain.ids import IdMaker
from linegate.postgres.clock import installation_time
from linegate.postgres.partitions import ensure_partitions
from linegate.postgres.pool import open_pool
from support.database import blocking
from support.gateway import a_request
from support.shaping import a_message_object

Command = Callable[..., Any]
NAME = "spring"


@pytest.fixture
def linegate(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command on an installation with a bulk for tomorrow; gives its JSON answer."""
    monkeypatch.setenv("LINEGATE_DATABASE_URL", database_url)
    monkeypatch.setenv("LINEGATE_SECRET_KEY", base64.b64encode(bytes(32)).decode())

    def run(*arguments: str, fails: bool = False) -> Any:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        assert (result.exit_code != 0) is fails, result.output
        return result.stderr if fails else json.loads(result.stdout)

    run("account", "create", "acme")
    sender = ("--sender", "ACME", "--channel-id", "1", "--channel-secret", "s")
    run("sender", "create", "--account", "acme", *sender)
    blocking(lambda: _accept(database_url))
    return run


async def _accept(database_url: str) -> None:
    pool = await open_pool(database_url, size=2)
    async with pool.acquire() as conn:
        now = await installation_time(conn)
        await ensure_partitions(conn, now=now)
    acceptor = Acceptor(pool, IdMaker(1), linger=timedelta(0))
    schedule = Schedule(now + timedelta(days=1))
    await acceptor.accept(Bulk(1, [a_message_object(30)], now, NAME, schedule))
    await acceptor.aclose()
    await pool.close()


def test_a_bulk_is_listed_shown_paused_moved_resumed_and_cancelled(linegate: Command) -> None:
    (listed,) = linegate("bulk", "list")
    assert (listed["bulkId"], listed["status"], listed["messages"]) == (NAME, "PENDING", 30)
    assert linegate("bulk", "pause", NAME)["status"] == "PAUSED"
    moved = linegate("bulk", "reschedule", NAME, "--send-at", "now", "--speed", "60/hour")
    assert moved["sendingSpeedLimit"] == {"amount": 60, "timeUnit": "HOUR"}
    assert linegate("bulk", "resume", NAME)["status"] == "PROCESSING"
    assert "sendingSpeedLimit" not in linegate("bulk", "reschedule", NAME, "--speed", "none")
    assert linegate("bulk", "cancel", NAME)["status"] == "CANCELED"
    assert linegate("bulk", "show", NAME)["status"] == "CANCELED"
    assert linegate("bulk", "cancel", NAME)["status"] == "CANCELED"
    noted = [each for each in linegate("audit")["changes"] if each["kind"] == "bulk"]
    assert {each["actor"].partition(" of ")[0] for each in noted} == {"linegate command"}
    assert {each["subject"] for each in noted} == {NAME}
    told = [set(each["changes"]) for each in reversed(noted)]
    assert told == [{"status"}, {"sendAt", "speed"}, {"status"}, {"speed"}, {"status"}]
    assert noted[1]["changes"]["speed"] == ["60 per hour", "as fast as LINE takes it"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "no-such"), "no bulk no-such"),
        (("resume", NAME), "change that to begin earlier"),
        (("reschedule", NAME), "--send-at, --speed or both"),
        (("reschedule", NAME, "--speed", "fast"), "6000/minute"),
        (("reschedule", NAME, "--send-at", "tomorrow"), "an instant with an offset"),
        (("pause", NAME, "--account", "nobody"), "no account named nobody"),
    ],
)
def test_what_cannot_be_done_is_said_in_plain_words(
    linegate: Command, arguments: tuple[str, ...], told: str
) -> None:
    assert told in linegate("bulk", *arguments, fails=True)


def test_tables_are_readable_too(linegate: Command) -> None:
    for arguments in (["bulk", "list"], ["bulk", "show", NAME]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert NAME in result.stdout


def test_a_plan_tells_when_how_many_leave(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    schedule = {"sendingSpeedLimit": {"amount": 600, "timeUnit": "MINUTE"}}
    file.write_text(json.dumps(a_request() | {"options": {"schedule": schedule}}))
    result = CliRunner().invoke(app, ["plan", str(file), "--count", "6000", "--json"])
    assert result.exit_code == 0, result.output
    plan = json.loads(result.stdout)
    assert plan["messages"] == 6000
    assert sum(step["messages"] for step in plan["steps"]) == 6000
    chart = CliRunner().invoke(app, ["plan", str(file), "--count", "6000"])
    assert "6,000 messages" in chart.stdout


def test_a_plan_of_a_broken_request_names_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps({"messages": []}))
    result = CliRunner().invoke(app, ["plan", str(file)])
    assert result.exit_code == 1
    assert "messages" in result.stderr


def test_sending_needs_a_list_and_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINEGATE_API_KEY", raising=False)
    message = tmp_path / "message.json"
    message.write_text(json.dumps(a_request()["messages"][0]))
    without = CliRunner().invoke(app, ["send", "--message", str(message)])
    assert "--csv or --ndjson" in without.stderr
    keyless = CliRunner().invoke(app, ["send", "--message", str(message), "--csv", str(message)])
    assert "LINEGATE_API_KEY" in keyless.stderr
