"""Commands as scripts meet them: what stands on standard output, and how a stopped one ends."""

import asyncio
import base64
import json
import os
import signal
import socket
from pathlib import Path

import pytest
import typer

from linegate.cli.console import with_store
from linegate.postgres.store import Store
from linegate.simulator.app import running
from linegate.simulator.settings import SimulatorSettings
from support.program import command

KEY = base64.b64encode(bytes(32)).decode()


async def test_an_answer_stands_alone_on_standard_output(database_url: str, tmp_path: Path) -> None:
    smpp = socket.create_server(("127.0.0.1", 0))
    database = {"database_url": database_url, "secret_key": KEY}
    route = ("--account", "acme", "--name", "main")
    url = f"smpp://user:pass@127.0.0.1:{smpp.getsockname()[1]}"
    async with running(SimulatorSettings(smpp=smpp)):
        await command(tmp_path, "account", "create", "acme", **database)
        await command(tmp_path, "sms-route", "create", *route, "--url", url, **database)
        checked = await command(tmp_path, "sms-route", "check", *route, "--json", **database)
    assert json.loads(checked.out) == {"name": "main", "ok": True}
    assert checked.err == ""


def test_a_command_that_is_stopped_ends_without_a_traceback(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEGATE_DATABASE_URL", database_url)
    monkeypatch.setenv("LINEGATE_SECRET_KEY", KEY)

    async def stopped(store: Store) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(typer.Exit) as ended:
        with_store(stopped)
    assert ended.value.exit_code == 130
