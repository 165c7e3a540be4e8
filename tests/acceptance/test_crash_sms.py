"""`kill -9` between the submit of an SMS and its answer: it goes once more, with one report."""

import socket

from support.program import command, free_port, home_folder, program
from support.shop import Shop, simulated_line
from support.waiting import until

# LINE refuses them (90); the SMSC takes the first submit without an answer, and the next one (5).
NUMBERS = [f"8190100{at}0590" for at in range(8)]
SETTINGS = {"webhook_allow_private": "1"}


async def test_an_sms_whose_process_died_before_the_answer_goes_once_more() -> None:
    port = free_port()
    listening = socket.create_server(("127.0.0.1", 0))
    with home_folder() as home:
        async with simulated_line(port, listening) as line:
            settings = {**SETTINGS, "line_api_url": line.url}
            smsc = line.app.smsc
            async with program(home, port=port, **settings) as up:
                shop = await Shop.open(home, line, **settings)
                url = f"smpp://user:pass@127.0.0.1:{listening.getsockname()[1]}"
                made = await command(
                    home, "sms-route", "create", "--account", "acme", "--url", url, **settings
                )
                assert made.code == 0, made.err
                sent = await shop.send(up, *NUMBERS, sms={"sender": "Shop", "text": "hello"})

                async def all_are_submitted() -> bool:
                    return smsc.counts["submits"] == len(NUMBERS)

                await until(all_are_submitted, within=30)
                assert (await shop.reported())["distinctMessageIds"] == 0  # none was answered
                await up.kill()
            async with program(home, port=port, **settings) as up:
                told = await shop.is_told(len(NUMBERS), within=60)
                pulled = await shop.pull(up)
                assert await up.end() == 0
            assert told["byStatus"] == {"DELIVERED_TO_HANDSET": len(NUMBERS)}
            assert sorted(pulled) == sorted(sent)
            assert set(pulled.values()) == {1}
            assert smsc.counts["submits"] == 2 * len(NUMBERS)
