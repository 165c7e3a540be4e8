"""What is kept of every request to an endpoint, and how its body is made again."""

from linegate.postgres.pool import Pool
from linegate.postgres.posts import (
    PostShown,
    find_post,
    list_posts,
    post_reports,
    replay_posts,
)
from linegate.postgres.reporting import Interim, insert_interim
from linegate.postgres.retention import purge_messages
from linegate.report.bodies import encode_reports
from linegate.report.posting import digest_of_body
from support.clock import FakeClock
from support.fault_server import answering, serving
from support.pushing import pushing
from support.reports import given_account


async def only_post(pool: Pool, endpoint_id: int) -> PostShown:
    async with pool.acquire() as conn:
        (listed,) = await list_posts(conn, endpoint_id, limit=10)
        found = await find_post(conn, endpoint_id, listed.id)
    assert found is not None
    return found


async def body_again(pool: Pool, shown: PostShown) -> bytes:
    async with pool.acquire() as conn:
        return encode_reports(await post_reports(conn, shown), shown.post.content_type)


async def test_a_request_is_kept_with_its_answer_and_its_body_is_made_again_exactly(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    async with serving(answering(200, b"thanks")) as server, pushing(pool, clock) as push:
        endpoint = await scene.endpoint(server.url, content_type="application/xml")
        await scene.finished(3, now=clock.now(), endpoint_id=endpoint, client_ids=["b", "a", "c"])
        await push()
    (request,) = server.requests
    shown = await only_post(pool, endpoint)
    assert (shown.post.code, shown.post.detail, shown.post.answer) == (200, "", "thanks")
    assert (shown.post.url, shown.post.content_type) == (server.url, "application/xml")
    assert shown.post.body_size == len(request.body)
    assert shown.post.body_digest == digest_of_body(request.body)
    assert await body_again(pool, shown) == request.body


async def test_an_intermediate_report_can_be_made_again_after_it_was_taken(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    async with serving(answering()) as server, pushing(pool, clock) as push:
        endpoint = await scene.endpoint(server.url)
        (id_,) = await scene.finished(1, now=clock.now())
        async with pool.acquire() as conn:
            await conn.execute(_UNFINISHED, id_, endpoint)
            told = Interim(id_, 1, 3, 7, 0, clock.now(), "SMS-SENDER")
            await insert_interim(conn, [told], now=clock.now())
        await push()
    (request,) = server.requests
    assert b"SMS-SENDER" in request.body
    assert await body_again(pool, await only_post(pool, endpoint)) == request.body


_UNFINISHED = """
INSERT INTO queue (id, account_id, sender_id, object_id, endpoint_id, step, due_at, deadline_at,
                   attempt, home, destination)
SELECT $1, object.account_id, object.sender_id, object.id, $2, 'sent', now(), now(), 1, 'due_alone',
       message.destination
FROM message JOIN message_object AS object ON object.id = message.object_id WHERE message.id = $1
"""


async def test_failures_are_listed_apart_and_their_answers_end_with_the_person(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    words = b"no room\0 for 66855538125"
    async with serving(answering(500, words)) as server, pushing(pool, clock) as push:
        endpoint = await scene.endpoint(server.url)
        (id_,) = await scene.finished(1, now=clock.now(), endpoint_id=endpoint)
        await push()
    shown = await only_post(pool, endpoint)
    assert shown.post.detail == "answered 500"
    assert shown.post.answer == "no room\ufffd for 66855538125"
    async with pool.acquire() as conn:
        assert len(await list_posts(conn, endpoint, limit=10, only_failed=True)) == 1
        assert await list_posts(conn, endpoint, limit=10, before=shown.id) == []
        await purge_messages(conn, [id_])
    again = await only_post(pool, endpoint)
    assert again.post.answer == ""
    assert await body_again(pool, again) == b'{"results":[]}'


async def test_a_request_is_replayed_whether_its_reports_were_taken_or_not(
    pool: Pool, clock: FakeClock
) -> None:
    scene = await given_account(pool, clock.now())
    async with serving(answering()) as server, pushing(pool, clock) as push:
        endpoint, other = await scene.endpoint(server.url), await scene.endpoint(server.url + "/o")
        await scene.finished(2, now=clock.now(), endpoint_id=endpoint)
        await push()
        shown = await only_post(pool, endpoint)
        async with pool.acquire() as conn:
            assert await replay_posts(conn, other, [shown.id], now=clock.now()) == 0
            assert await replay_posts(conn, endpoint, [shown.id], now=clock.now()) == 2
            assert await replay_posts(conn, endpoint, [shown.id], now=clock.now()) == 2
        await push()
    first, second = server.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
