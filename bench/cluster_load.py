"""What the client of `cluster.py` sends while machines fail, and what must be true afterwards."""

import asyncio
import contextlib
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from cluster_world import CHANNELS, KEY, SLOW_RATE, Cluster

__all__ = ["Load", "Verdict", "judged", "most_within"]

_PACED_A_MINUTE = 300
_SMS_A_SECOND = 10  # the route's throughput
_A_REQUEST = 5
_VALID = {"amount": 10, "timeUnit": "MINUTES"}
_BUBBLE = {
    "type": "BUBBLE",
    "body": {"layout": "VERTICAL", "contents": [{"type": "TEXT", "text": "Shipped"}]},
}


_BLOCKS = ("8190100", "668100", "8869100")


def _delivered() -> Iterator[str]:
    """240,000 numbers that LINE delivers to at once."""
    for place in count():
        hundreds, rest = divmod(place // len(_BLOCKS), 80)
        yield f"{_BLOCKS[place % len(_BLOCKS)]}{hundreds % 1000:03d}{rest:02d}"


def _refused() -> Iterator[str]:
    """Numbers that LINE refuses and the SMSC delivers to; 300 before they come again."""
    for place in count():
        yield f"{_BLOCKS[place % len(_BLOCKS)]}{place // len(_BLOCKS) % 100:02d}090"


@dataclass(slots=True)
class Load:
    """A client that repeats each request until it is answered with 200.

    per_second: messages of the sender FAST. lasts: seconds of the bulk with a speed limit.
    sent:       the ids that a 200 named. repeated: requests that no node answered at first.
    """

    cluster: Cluster
    per_second: float
    lasts: float
    sent: list[str] = field(default_factory=list)
    repeated: int = 0
    _numbers: Iterator[str] = field(default_factory=_delivered)
    _refused: Iterator[str] = field(default_factory=_refused)
    _names: Iterator[int] = field(default_factory=count)

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until told to stop, then wait for what is under way."""
        pause = _A_REQUEST / self.per_second
        loop = asyncio.get_running_loop()
        at = loop.time()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.bulks(stopping))
            while not stopping.is_set():
                group.create_task(self.send("FAST", _A_REQUEST))
                at += pause
                await asyncio.sleep(max(0.0, at - loop.time()))

    async def bulks(self, stopping: asyncio.Event) -> None:
        """A bulk with a speed limit; every 30 s, work for a slow sender and the SMS route."""
        # One alone: each bulk has a limit of its own, and all are seen together.
        pace = {"amount": _PACED_A_MINUTE, "timeUnit": "MINUTE"}
        await self.send("PACED", int(_PACED_A_MINUTE * self.lasts / 60), pace=pace)
        while not stopping.is_set():
            await self.send("SLOW", SLOW_RATE * 2)
            await self.send("FAST", _SMS_A_SECOND * 10, by_sms=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(30):
                    await stopping.wait()

    async def send(
        self, sender: str, messages: int, *, by_sms: bool = False, pace: object = None
    ) -> None:
        """One request, repeated with the same Idempotency-Key until it is taken."""
        name = f"request {next(self._names)}"
        numbers = self._refused if by_sms else self._numbers
        message: dict[str, object] = {
            "sender": sender,
            "destinations": [{"to": next(numbers)} for _ in range(messages)],
            "content": {"type": "LINE_NOTIFICATION", "altText": "Shipped", "contents": _BUBBLE},
            "options": {"validityPeriod": _VALID},
        }
        if by_sms:
            sms = {"text": f"Shipped, {name}", "validityPeriod": _VALID}
            message["options"] = {"validityPeriod": _VALID, "smsFailover": sms}
        request: dict[str, object] = {"messages": [message]}
        if pace is not None:
            request["options"] = {"schedule": {"sendingSpeedLimit": pace}}
        body = json.dumps(request).encode()
        headers = {
            "Authorization": f"App {KEY}",
            "Content-Type": "application/json",
            "Idempotency-Key": name,
        }
        while True:
            status, text = await self.cluster.front.call(
                "/line/1/messages", body, headers, within=8.0
            )
            if status == 200:
                break
            if status < 500:
                raise AssertionError(f"{status}: {text.decode()[:500]}")
            self.repeated += 1
            await asyncio.sleep(0.5)
        self.sent += [each["messageId"] for each in json.loads(text)["messages"]]


class Verdict(NamedTuple):
    """One line of the result. wrong: what must not be, or empty."""

    what: str
    found: str
    wrong: str = ""


async def judged(cluster: Cluster, load: Load, bound: int) -> list[Verdict]:
    """What came of it. bound: how many messages can have been in flight at nodes that failed."""
    subscriber, smsc = cluster.line.app.subscriber, cluster.line.app.smsc
    channels = {name: cluster.line.app.channels.by_id[id_] for name, id_ in CHANNELS.items()}
    pulled = await _pulled(cluster)
    sent = set(load.sent)
    texts = Counter((sms.to, sms.text) for sms in smsc.phones.shown)
    twice = {
        "LINE": sum(channel.tally.same_content.repeats for channel in channels.values()),
        "SMS": sum(texts.values()) - len(texts),
    }
    resends = cluster.counted("linegate_resends_total")
    unanswered = cluster.counted("linegate_attempts_total") + cluster.counted(
        "linegate_sms_attempts_total"
    )
    lost = cluster.counted("linegate_leases_lost_total")
    unbegun = cluster.counted("linegate_unbegun_total")
    pushed, distinct = subscriber.reports, subscriber.reports - subscriber.duplicates
    ended = ", ".join(f"{name} {number}" for name, number in sorted(subscriber.by_status.items()))
    return [
        Verdict("messages answered with 200", f"{len(load.sent)}", _unless(len(sent) > 0)),
        Verdict("requests that no node answered at first", f"{load.repeated}"),
        Verdict("messages with a report, pushed", f"{distinct}", _unless(distinct == len(sent))),
        Verdict("messages with a report, pulled", f"{len(pulled)}", _unless(set(pulled) == sent)),
        Verdict(
            "pulled more than once",
            f"{sum(number > 1 for number in pulled.values())}",
            _unless(set(pulled.values()) <= {1}),
        ),
        Verdict("reports pushed again, with the same id", f"{pushed - distinct}"),
        Verdict("ends", ended, _unless(set(subscriber.by_status) == {"DELIVERED_TO_HANDSET"})),
        Verdict("claims whose worker was gone", f"{lost:.0f}", _unless(lost <= bound)),
        Verdict("claims given back, too late to begin", f"{unbegun:.0f}"),
        Verdict("attempts without an answer", f"{unanswered:.0f}"),
        Verdict("resends counted", f"{resends:.0f}", _unless(resends <= lost + unanswered)),
        Verdict(
            "came twice",
            f"{twice['LINE']} by LINE, {twice['SMS']} by SMS",
            _unless(sum(twice.values()) <= resends),
        ),
        _rate("sender SLOW", channels["SLOW"].pace.latest, SLOW_RATE),
        _rate("bulk with a speed limit", channels["PACED"].pace.latest, _PACED_A_MINUTE / 60),
        _rate("SMS route", [sms.at for sms in smsc.phones.shown], _SMS_A_SECOND),
    ]


def most_within(span: float, instants: Iterable[float]) -> int:
    """The most instants in any half-open span of so many seconds."""
    most = 0
    inside: deque[float] = deque()
    for instant in instants:
        inside.append(instant)
        while inside[0] <= instant - span:
            inside.popleft()
        most = max(most, len(inside))
    return most


def _rate(name: str, instants: Sequence[float] | deque[float], rate: float) -> Verdict:
    """A limit, seen from outside. Each attempt may begin a second late, and none early."""
    ordered = sorted(instants)
    second, span = most_within(1.0, ordered), most_within(_SPAN, ordered)
    found = f"{len(ordered)}; most in 1 s {second}, in {_SPAN:.0f} s {span}"
    most = rate * (_SPAN + 1) + 2
    return Verdict(f"{name}, {rate:.0f}/s", found, _unless(0 < span <= most))


_SPAN = 5.0  # seconds


def _unless(right: bool) -> str:
    return "" if right else "WRONG"


async def _pulled(cluster: Cluster) -> Counter[str]:
    """All reports that can be pulled, counted by message."""
    found: Counter[str] = Counter()
    url = f"{next(iter(cluster.nodes.values())).url}/line/1/reports?limit=1000"
    while True:
        async with cluster.session.get(url, headers={"Authorization": f"App {KEY}"}) as answer:
            results = (await answer.json())["results"]
        if not results:
            return found
        found.update(report["messageId"] for report in results)
