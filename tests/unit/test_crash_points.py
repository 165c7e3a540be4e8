"""The list of points where linegate is killed forgets nothing that writes or calls."""

import inspect
import re
from pathlib import Path

import linegate
from linegate.line.client import LineClient
from linegate.sms.http import HttpSender
from linegate.sms.smpp.session import Session
from linegate.webhook.client import WebhookClient
from support.crash.points import CALLS, COMMANDS, POINTS, SCENES, WRITES, writing_statements
from support.crash.scenes import BY_NAME
from support.crash.trap import ANSWERS

SOURCE = Path(linegate.__file__).parent
NETWORK = re.compile(r"^(?:import|from) (?:aiohttp|pyreqwest)|asyncio\.open_connection", re.M)


def test_each_statement_that_writes_is_killed_at_or_moves_no_message() -> None:
    killed = [name for names in WRITES.values() for name in names]
    others = [name for names in COMMANDS.values() for name in names]
    assert sorted(killed + others) == sorted(writing_statements())


def test_what_only_reads_or_locks_is_no_writing_statement() -> None:
    assert {"load_objects", "take_impatient", "lock_run", "tell_shaper"}.isdisjoint(
        writing_statements()
    )
    assert {"claim_due", "insert_accepted", "end_relay", "pull_oldest"} <= writing_statements()


def test_each_point_has_a_scene_that_leads_past_it() -> None:
    assert set(SCENES) == set(BY_NAME)
    assert set(CALLS) <= set(SCENES)
    answers = {name for names in CALLS.values() for name in names if name.startswith("answer")}
    assert answers == {point for _, point in ANSWERS} | {"answer the SMSC's receipt"}
    assert len(POINTS) == 2 * sum(len(names) for part in (WRITES, CALLS) for names in part.values())


def test_nothing_calls_another_machine_but_where_the_trap_looks() -> None:
    callers = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if NETWORK.search(path.read_text(encoding="utf-8")) and "simulator" not in path.parts
    }
    assert callers == {
        "line/client.py",
        "resolver.py",  # looks names up
        "sms/http.py",
        "sms/smpp/transport.py",
        "webhook/client.py",
        "webhook/guard.py",  # looks at addresses
        "cli/sandbox.py",  # asks our own simulator
        "cli/send.py",  # is a client
        "console/wall.py",  # asks our own simulator
    }


def test_every_way_out_of_those_files_is_a_point_or_asks_for_nothing_that_lasts() -> None:
    assert _ways_out(LineClient) == {
        *("push", "issue_token", "count_delivered"),
        *("bot_info", "webhook_endpoint", "test_webhook"),  # questions of `sender check`
    }
    assert _ways_out(WebhookClient) == {"post", "fetch"}  # fetch: tokens for post
    assert _ways_out(HttpSender) == {"post", "stay_open"}
    assert _ways_out(Session) == {"bind", "submit", "run", "unbind"}


def _ways_out(owner: type) -> set[str]:
    return {
        name
        for name, member in vars(owner).items()
        if inspect.iscoroutinefunction(member) and not name.startswith("_") and name != "close"
    }
