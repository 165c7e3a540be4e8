"""One endpoint's turn: its due reports go out, several posts at once, until none is left.

The endpoint is leased, so no report needs a claim of its own. The turn starts with one post at a
time and opens up while the endpoint takes them, so that one in doubt is asked with one post only.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from linegate.clock import Clock
from linegate.domain.retry import PUSHED_FOR, probe_delay, push_delay
from linegate.low_water import BEGINNING, CHEAP
from linegate.metrics import Metrics
from linegate.postgres.pool import Pool
from linegate.postgres.posts import Failed, reports_failed, reports_taken
from linegate.postgres.reporting import (
    DueReport,
    Endpoint,
    due_reports,
    give_up_waiting,
    release_endpoint,
    tell_if_due,
)
from linegate.report.batches import batches_of, delivery_id
from linegate.report.bodies import encode_reports
from linegate.report.posting import Letter, post_of, unsent
from linegate.report.target import Target, Targets
from linegate.report.traced_posts import spans_of_post, traceparent_of
from linegate.tracing import Tracer
from linegate.webhook.client import PushKind, PushOutcome, WebhookClient
from linegate.webhook.oauth import TokenRefused, Tokens
from linegate.webhook.security import OAuth

__all__ = ["START", "Drain", "Posting"]

_log = structlog.get_logger()
_TURN = timedelta(seconds=30)  # then the endpoint is given back, for another process to take
_ROUNDS = 3  # failed rounds in a row, from which on an endpoint is only probed
_GONE_FOR = timedelta(hours=24)  # after a 410
_READ_AT_ONCE = 2000
_GIVEN_UP_AT_ONCE = 5000
_FIRST = (0, -1)  # before all reports of one instant
_LATE = timedelta(seconds=1)  # how late a report may be written and still be found in this turn
_WHOLE_EVERY = timedelta(milliseconds=200)
_SHARE = 20  # of so much time one part may go into looks from the start
START = (BEGINNING, *_FIRST)
"""A place before all reports of an endpoint."""


@dataclass(frozen=True, slots=True)
class Posting:
    """What every turn of a process shares; extra: places beyond each endpoint's first post."""

    pool: Pool
    clock: Clock
    client: WebhookClient
    targets: Targets
    tokens: Tokens
    metrics: Metrics
    extra: asyncio.Semaphore
    stopping: asyncio.Event
    tracer: Tracer | None = None


class Drain:
    """The turn of one leased endpoint."""

    def __init__(self, endpoint: Endpoint, posting: Posting, since: datetime) -> None:
        """Start with what is known of the endpoint; its reports begin after `since`."""
        self.endpoint = endpoint
        self._with = posting
        self._failures = endpoint.failures
        self._failed_at: datetime | None = None
        self._taken_at: datetime | None = None
        self._probe_at: datetime | None = None
        self._error: str | None = None
        self._is_gone = False
        self._window = 1
        self._next_post_at: datetime | None = None
        self._waiting: deque[list[DueReport]] = deque()
        self._posts: set[asyncio.Task[None]] = set()
        self._start = (since, *_FIRST)
        self._after = self._start
        self._in_hand: set[int] = set()  # messages whose reports were read and are not settled
        self._whole_at = BEGINNING

    async def run(self) -> None:
        """Push until nothing is due, the endpoint fails or its turn is over; then give it back."""
        try:
            target = self._with.targets.of(self.endpoint)
        except ValueError as error:
            await self._refuse(str(error))
            return
        if self.endpoint.is_removed:
            await self._give_up(self._with.clock.now())
            await self._release()
            return
        try:
            await self._push(target)
        finally:
            for post in self._posts:
                post.cancel()
        await self._clear_old()
        await self._release()

    async def _push(self, target: Target) -> None:
        until = self._with.clock.now() + _TURN
        while self._goes_on() and self._with.clock.now() < until:
            if not self._waiting and not await self._read(target) and not self._posts:
                break
            while self._waiting and len(self._posts) < self._window and self._goes_on():
                if self._posts and self._with.extra.locked():
                    break
                await self._pace(target)
                batch = self._waiting.popleft()
                self._posts.add(asyncio.create_task(self._post(target, batch, bool(self._posts))))
            await self._wait(target)
        while self._posts:
            await self._wait(target)

    def _goes_on(self) -> bool:
        return self._probe_at is None and not self._with.stopping.is_set()

    async def _read(self, target: Target) -> bool:
        """Read on; whether something was found.

        Every so often, and when nothing is in hand, from the start: what another process, or a
        longer transaction, wrote late stands before what was read already.
        """
        limit = min(_READ_AT_ONCE, target.bucket * self._window)
        began = self._with.clock.now()
        is_whole = not self._in_hand or began >= self._whole_at
        async with self._with.pool.acquire() as conn:
            due = await due_reports(
                conn,
                self.endpoint.id,
                after=self._start if is_whole else self._after,
                in_hand=list(self._in_hand) if is_whole else [],
                limit=limit,
                now=began,
            )
        if is_whole:
            self._note_whole(due, began, self._with.clock.now())
        if due:
            self._after = max(self._after, due[-1].place)
            self._in_hand.update(report.message.id for report in due)
            self._waiting.extend(batches_of(due, target.bucket))
        return bool(due)

    def _note_whole(self, due: list[DueReport], began: datetime, now: datetime) -> None:
        """After a look from the start: when the next one is, and where it starts."""
        took = now - began
        self._whole_at = now + max(_WHOLE_EVERY, _SHARE * took)
        if took >= CHEAP:  # dead rows stand there that no look has to walk over again
            first = due[0].place[0] if due else began
            self._start = (max(self._start[0], first - _LATE), *_FIRST)

    async def _pace(self, target: Target) -> None:
        if target.pause is None:
            return
        now = self._with.clock.now()
        at = max(self._next_post_at or now, now)
        self._next_post_at = at + target.pause
        if at > now:
            await self._with.clock.sleep_until(at)

    async def _wait(self, target: Target) -> None:
        """Return when a post has ended; raise what ended it, if that was no answer."""
        if not self._posts:
            return
        done, self._posts = await asyncio.wait(self._posts, return_when=asyncio.FIRST_COMPLETED)
        for post in done:
            post.result()
        self._window = min(self._window, target.window)

    async def _post(self, target: Target, batch: list[DueReport], is_extra: bool) -> None:
        if not is_extra:
            await self._post_once(target, batch)
            return
        async with self._with.extra:
            await self._post_once(target, batch)

    async def _post_once(self, target: Target, batch: list[DueReport]) -> None:
        started = self._with.clock.now()
        letter, outcome = await self._call(target, batch, started)
        now = self._with.clock.now()
        post = post_of(target, batch, letter, outcome, started=started, ended=now)
        async with self._with.pool.acquire() as conn:
            if outcome.kind is PushKind.TAKEN:
                await reports_taken(conn, post, now=now)
                self._time(batch, now)
            else:
                rows = [_failed(report, outcome, now) for report in batch]
                await reports_failed(conn, post, rows, now=now)
        self._in_hand.difference_update(report.message.id for report in batch)
        self._learn(outcome, started, now)
        if self._with.tracer is not None:
            for span in spans_of_post(batch, outcome, started, now):
                self._with.tracer.tell(span)
        self._with.metrics.pushed.labels(outcome.kind.value).inc(len(batch))
        _log.info(
            "reports.pushed",
            endpoint=target.id,
            reports=len(batch),
            outcome=outcome.kind.value,
            code=outcome.code,
            detail=outcome.detail,
            duration_ms=round((now - started).total_seconds() * 1000),
        )

    def _time(self, batch: list[DueReport], now: datetime) -> None:
        delay = self._with.metrics.report_delay_seconds
        shown = delay.labels("steady" if self.endpoint.is_steady else "doubtful")
        for report in batch:
            shown.observe(max(0.0, (now - report.due_at).total_seconds()))

    async def _call(
        self, target: Target, batch: list[DueReport], now: datetime
    ) -> tuple[Letter, PushOutcome]:
        token = await target.token(self._with.tokens)
        if isinstance(token, TokenRefused):
            return unsent(), PushOutcome(PushKind.FAILED, detail=token.reason)
        body = encode_reports([report.message for report in batch], target.content_type)
        headers = target.headers_for(body, delivery_id=delivery_id(batch), token=token, now=now)
        if self._with.tracer is not None and (parent := traceparent_of(batch)) is not None:
            headers = {**headers, "traceparent": parent}
        outcome = await self._with.client.post(
            target.url,
            body=body,
            content_type=target.content_type,
            headers=headers,
            options=target.options,
        )
        if outcome.code == 401 and token is not None and isinstance(target.security, OAuth):
            self._with.tokens.forget(target.security, token)
        return Letter(body, headers), outcome

    def _learn(self, outcome: PushOutcome, started: datetime, now: datetime) -> None:
        if outcome.kind is PushKind.TAKEN:
            self._failures, self._error, self._taken_at = 0, None, now
            self._window *= 2
            return
        self._error = outcome.detail
        self._window = 1
        if self._failed_at is None or started >= self._failed_at:  # posts side by side: one round
            self._failures += 1
        self._failed_at = now
        if outcome.kind is PushKind.GONE:
            self._is_gone, self._probe_at = True, now + _GONE_FOR
        elif self._failures >= _ROUNDS or outcome.retry_after is not None:
            rest = probe_delay(self._failures - _ROUNDS)
            self._probe_at = now + max(rest, outcome.retry_after or rest)

    async def _clear_old(self) -> None:
        """An endpoint that is gone, or has failed for as long as we try, keeps nothing waiting."""
        now = self._with.clock.now()
        if self._is_gone:
            await self._give_up(now)
        elif self._failures >= _ROUNDS:
            await self._give_up(now - PUSHED_FOR - timedelta(minutes=1))

    async def _give_up(self, before: datetime) -> None:
        count = _GIVEN_UP_AT_ONCE
        while count == _GIVEN_UP_AT_ONCE:
            async with self._with.pool.acquire() as conn:
                count = await give_up_waiting(
                    conn,
                    self.endpoint.id,
                    before=before,
                    limit=_GIVEN_UP_AT_ONCE,
                    now=self._with.clock.now(),
                )
            self._with.metrics.pushed.labels("given_up").inc(count)

    async def _refuse(self, reason: str) -> None:
        self._failures, self._error = self._failures + 1, reason
        self._probe_at = self._with.clock.now() + probe_delay(self._failures)
        await self._clear_old()
        await self._release()

    async def _release(self) -> None:
        async with self._with.pool.acquire() as conn:
            await release_endpoint(
                conn,
                self.endpoint,
                failures=self._failures,
                probe_at=self._probe_at,
                last_error=self._error,
                taken_at=self._taken_at,
                is_gone=self._is_gone,
                now=self._with.clock.now(),
            )
            if self._probe_at is None:
                now = self._with.clock.now()
                await tell_if_due(conn, self.endpoint.id, since=self._start[0], now=now)


def _failed(report: DueReport, outcome: PushOutcome, now: datetime) -> Failed:
    tries = report.tries + 1
    delay = None
    if outcome.kind is not PushKind.GONE:
        delay = push_delay(tries, now - report.due_at)
    if delay is not None and outcome.retry_after is not None:
        delay = max(delay, outcome.retry_after)
    retry_at = None if delay is None else now + delay
    return Failed(report.message.id, report.number, tries, retry_at)
