"""Many callers share one flush: one transaction for all that came while the last one ran.

A lone item is flushed at once. When items come so often that a few milliseconds of waiting would
at least double a batch, the flush waits for them (the adaptive linger). Nothing is held without a
bound: beyond `capacity` a submit fails at once. Knows nothing of SQL or of what an item is.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Generic, TypeVar

__all__ = ["GroupCommit", "Linger", "Overloaded"]

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Overloaded(Exception):  # noqa: N818 - a state, in the words of the answer it becomes
    """More items are waiting than `capacity` allows: refuse, and let the caller come again."""


class Linger:
    """Decides whether a flush waits for company, from how often items come and what waiting gave.

    The rate alone misleads: callers who submit again only after their answer come often and yet
    never while a flush waits for them. So a wait that brought too little is not repeated for the
    next flush, then for the next 2, 4 and so on up to 64, until one pays off again.
    """

    def __init__(self) -> None:
        self._rate = 0.0  # items a second, smoothed
        self._to_skip = 0
        self._penalty = 1

    def measure(self, *, arrived: int, elapsed: float) -> None:
        """Take note that `arrived` items came in `elapsed` seconds; old news fades in 10 ms."""
        elapsed = max(elapsed, 1e-4)
        self._rate = 0.5 * arrived / elapsed + 0.5 * self._rate / (1.0 + elapsed * 100.0)

    def is_worth(self, *, waiting: int, seconds: float) -> bool:
        """Whether a wait of `seconds` should at least double a batch of `waiting` items."""
        if self._rate * seconds < max(2, waiting):
            return False
        if self._to_skip:
            self._to_skip -= 1
            return False
        return True

    def learn(self, *, before: int, after: int) -> None:
        """Take note of what a wait made of a batch."""
        if after >= 1.5 * before:
            self._penalty = 1
        else:
            self._to_skip = self._penalty
            self._penalty = min(self._penalty * 2, 64)


class GroupCommit(Generic[Item, Answer]):
    """Gathers items and flushes them together; each caller gets the answer of its own item.

    flush:          takes items in order of arrival, gives as many answers in that order. What it
                    raises is raised in every caller of the batch.
    max_items:      most items of one flush; max_weight: most weight of one flush, by `weigh`
                    (an item that is heavier than this goes alone).
    linger:         longest wait for more company.
    writers:        flushes that may run at the same time.
    capacity:       most items that may wait, and max_waiting: most weight of them (an item that
                    is heavier than this waits alone); `submit` raises Overloaded beyond either.
    split_on_error: after these exceptions the batch is flushed again item by item, so that one
                    bad item fails alone. Only for errors after which nothing was committed.
    """

    def __init__(  # noqa: PLR0913 - all but the flush have defaults
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        max_items: int = 1000,
        linger: timedelta = timedelta(milliseconds=3),
        max_weight: int | None = None,
        weigh: Callable[[Item], int] | None = None,
        writers: int = 1,
        capacity: int = 10_000,
        max_waiting: int | None = None,
        split_on_error: tuple[type[Exception], ...] = (),
    ) -> None:
        if (max_weight is None) != (weigh is None):
            raise ValueError("max_weight and weigh belong together")
        if max_waiting is not None and weigh is None:
            raise ValueError("max_waiting needs weigh")
        self._flush = flush
        self._max_items = max_items
        self._linger = linger.total_seconds()
        self._max_weight = max_weight
        self._weigh = weigh
        self._writers = writers
        self._capacity = capacity
        self._max_waiting = max_waiting
        self._split_on_error = split_on_error
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._weight = 0  # of all that wait
        self._running: set[asyncio.Task[None]] = set()
        self._lingering: asyncio.Future[None] | None = None
        self._company = Linger()
        self._arrived = 0  # since the rate was last measured
        self._measured_at = float("-inf")  # the event loop's own seconds
        self._closed = False

    async def submit(self, item: Item) -> Answer:
        """Flush the item with others; returns its answer once the flush has committed.

        A caller that is cancelled before its batch is taken takes its item with it.
        Raises: Overloaded at once; what the flush raised; RuntimeError after `aclose`.
        """
        if self._closed:
            raise RuntimeError("this group commit is closed")
        weight = 0 if self._weigh is None else self._weigh(item)
        if self._is_too_much(weight):
            raise Overloaded(f"{len(self._waiting)} items wait already")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        self._arrived += 1
        self._weight += weight
        if self._lingering is not None:
            if self._is_full():
                self._end_linger()
        elif len(self._running) < self._writers:
            # One task for a burst, not for an item: it ends when nothing waits any more.
            task = asyncio.create_task(self._write())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await answer

    @property
    def waiting(self) -> int:
        """How many items wait for a flush, those being flushed not counted."""
        return len(self._waiting)

    async def aclose(self) -> None:
        """Take no more, flush what waits and return when the last flush has ended."""
        self._closed = True
        self._end_linger()
        while self._running:
            await asyncio.wait(self._running)

    async def _write(self) -> None:
        # One turn of the event loop: whoever submits in the same turn comes along for free.
        await asyncio.sleep(0)
        while self._waiting and self._lingering is None:
            await self._gather()
            items, answers = self._take()
            if items:
                await self._settle(items, answers)
                await asyncio.sleep(0)  # the answered may submit again before we look

    async def _gather(self) -> None:
        """Wait for company if it is worth it, at most `linger`, less if the batch fills up."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._company.measure(arrived=self._arrived, elapsed=now - self._measured_at)
        self._arrived, self._measured_at = 0, now
        before = len(self._waiting)
        if self._closed or self._is_full():
            return
        if not self._company.is_worth(waiting=before, seconds=self._linger):
            return
        self._lingering = loop.create_future()
        timer = loop.call_later(self._linger, self._end_linger)
        try:
            await self._lingering
        finally:
            timer.cancel()
            self._lingering = None
        self._company.learn(before=before, after=len(self._waiting))

    def _end_linger(self) -> None:
        if self._lingering is not None and not self._lingering.done():
            self._lingering.set_result(None)

    def _is_too_much(self, weight: int) -> bool:
        if len(self._waiting) >= self._capacity:
            return True
        if self._max_waiting is None or not self._waiting:
            return False
        return self._weight + weight > self._max_waiting

    def _is_full(self) -> bool:
        if self._max_weight is not None and self._weight >= self._max_weight:
            return True
        return len(self._waiting) >= self._max_items

    def _take(self) -> tuple[list[Item], list[asyncio.Future[Answer]]]:
        """The next batch, oldest first, without those whose caller has gone."""
        items: list[Item] = []
        answers: list[asyncio.Future[Answer]] = []
        weight = 0
        while self._waiting and len(items) < self._max_items:
            item, answer = self._waiting[0]
            if self._weigh is not None and self._max_weight is not None:
                heavier = weight + self._weigh(item)
                if items and heavier > self._max_weight and not answer.done():
                    break
                self._weight -= self._weigh(item)
                weight = weight if answer.done() else heavier
            self._waiting.popleft()
            if not answer.done():
                items.append(item)
                answers.append(answer)
        return items, answers

    async def _settle(self, items: list[Item], answers: list[asyncio.Future[Answer]]) -> None:
        try:
            given = await self._flush(items)
            if len(given) != len(items):
                raise RuntimeError(f"{len(items)} items were flushed, {len(given)} answered")
        except self._split_on_error as error:
            if len(items) == 1:
                _fail(answers, error)
                return
            for item, answer in zip(items, answers, strict=True):
                await self._settle([item], [answer])
        except BaseException as error:  # raised on, in every caller
            _fail(answers, error)
            if not isinstance(error, Exception):
                raise  # our own task is being cancelled
        else:
            for answer, value in zip(answers, given, strict=True):
                if not answer.done():
                    answer.set_result(value)


def _fail(answers: list[asyncio.Future[Answer]], error: BaseException) -> None:
    for answer in answers:
        if answer.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            answer.cancel()
        else:
            answer.set_exception(error)
