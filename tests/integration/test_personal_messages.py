"""Personalised messages reach LINE as they were filled."""

from datetime import timedelta
from typing import Any

import aiohttp

from linegate.domain.bulk import Rejection
from support.sending import sending
from support.waiting import until
from support.world import World, a_number

FORM = (
    '{"type":"flex","altText":"{{shop}}","contents":{"type":"bubble","body":{"type":"box",'
    '"layout":"vertical","contents":[{"type":"text","text":"{{shop}}: {{order}}"}]}}}'
)


async def shown_on(url: str, number: str) -> dict[str, Any]:
    """The one message that a phone shows, once it does."""

    async def look() -> list[dict[str, Any]]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{url}/simulator/messages", params={"to": number}) as answer,
        ):
            found: list[dict[str, Any]] = (await answer.json())["messages"]
            return found

    [message] = await until(look)
    return message


async def test_each_recipient_gets_its_own_text_and_others_get_theirs(world: World) -> None:
    numbers = [a_number(100), a_number(200), a_number(300), a_number(400)]
    values = ['{"shop":"A\\"B","order":"1"}', '{"shop":"日本","order":"{{shop}}"}', None]
    async with sending(world) as work:
        await world.accept(
            3,
            destinations=numbers[:3],
            line_message=FORM,
            placeholders=values,
            rejections={2: Rejection(52, 351)},
        )
        await world.accept(1, destinations=numbers[3:])
        assert await work.turn() == 3
        first, second, plain = [
            await shown_on(work.line.url, number) for number in (*numbers[:2], numbers[3])
        ]
    assert first["altText"] == 'A"B'
    assert text_of(first) == 'A"B: 1'
    assert (second["altText"], text_of(second)) == ("日本", "日本: {{shop}}")
    assert plain["altText"] == "a"


async def test_a_message_that_is_tried_again_is_filled_again(world: World) -> None:
    async with sending(world) as work:
        await world.accept(
            1,
            destinations=[a_number(100)],
            line_message=FORM,
            placeholders=['{"shop":"A","order":"1"}'],
        )
        await work.switch("429")
        assert await work.turn() == 1
        await work.switch("normal")
        await world.clock.advance(timedelta(minutes=10))
        assert await work.turn() == 1
        assert text_of(await shown_on(work.line.url, a_number(100))) == "A: 1"


def text_of(message: dict[str, Any]) -> str:
    [content] = message["content"]
    text: str = content["contents"]["body"]["contents"][0]["text"]
    return text
