"""What a newcomer does: start it, copy the curl line, read the report, make an account."""

import json
import shlex
from itertools import pairwise
from typing import Any

import aiohttp

from support.program import as_json, command, home_folder, program, until_status
from support.waiting import until


async def test_the_sandbox_takes_the_message_of_its_banner_and_tells_that_it_arrived() -> None:
    with home_folder() as home:
        async with program(home, "--sandbox") as up:
            (secret, body), (same, nothing) = curl_commands(up.banner)
            assert (same, nothing) == (secret, None)
            await until_status(f"{up.url}/health/ready", 200)
            status, answer = await up.call("POST", "/line/1/messages", secret, body)
            assert status == 200, answer
            (message,) = answer["messages"]
            assert message["status"]["name"] == "PENDING_ENROUTE"

            async def arrived() -> list[dict[str, Any]]:
                _, told = await up.call("GET", "/line/1/reports", secret)
                return list(told["results"])

            (delivered,) = await until(arrived, within=20, every=0.2)
            assert delivered["messageId"] == message["messageId"]
            assert delivered["status"]["name"] == "DELIVERED_TO_HANDSET"

            # The operator's commands work beside it, and at once.
            account = as_json(await command(home, "account", "create", "acme", "--json"))
            assert account["name"] == "acme"
            again = await command(home, "account", "create", "acme")
            assert (again.code, again.out) == (1, "")
            assert "acme already" in again.err
            assert "Traceback" not in again.err
            key = await command(home, "key", "create", "--account", "acme")
            status, told = await up.call("GET", "/line/1/reports", key.last_line)
            assert (status, told["results"]) == (200, [])
            assert await up.end() == 0
        assert "Traceback" not in up.log_text()
        assert secret not in up.log_text()
        assert "819010000001" not in up.log_text()


async def test_the_banners_link_logs_a_browser_in_to_the_console_once() -> None:
    with home_folder() as home:
        async with program(home, "--sandbox") as up, aiohttp.ClientSession() as session:
            (link,) = [word for line in up.banner for word in line.split() if "/enter?" in word]
            async with session.get(link, allow_redirects=False) as entered:
                assert (entered.status, entered.headers["Location"]) == (303, "/console/")
                cookie = entered.cookies["linegate_console"].value
            headers = {"Cookie": f"linegate_console={cookie}"}
            async with session.get(up.url + "/console/sandbox", headers=headers) as wall:
                assert wall.status == 200
                assert "No phone has shown anything yet" in await wall.text()
            async with session.get(link, allow_redirects=False) as again:
                assert again.status == 401
            assert await up.end() == 0
        assert link.partition("token=")[2] not in up.log_text()


def curl_commands(banner: list[str]) -> list[tuple[str, Any]]:
    """The two curl commands of the banner, read as a shell reads them."""
    text = "\n".join(banner).replace("\\\n", " ")
    commands = [part.split("\n\n")[0] for part in text.split("curl ")[1:]]
    found = []
    for words in map(shlex.split, commands):
        options = dict(pairwise(words))
        key = next(word for word in words if word.startswith("Authorization: App "))
        body = json.loads(options["-d"]) if "-d" in options else None
        found.append((key.rpartition(" ")[2], body))
    assert len(found) == 2, text
    return found


async def test_the_sandbox_is_not_offered_beyond_this_machine() -> None:
    with home_folder() as home:
        ran = await command(home, "up", "--sandbox", "--host", "0.0.0.0")
        assert ran.code == 1
        assert "loopback" in ran.err
