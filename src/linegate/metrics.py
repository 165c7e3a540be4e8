"""Counters and gauges, declared once, by stage. Labels are few and never name a person."""

from collections.abc import Sequence
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

Join = Literal["livesum", "livemax", "livemin", "mostrecent"]
"""How a scrape makes one figure of the gauges of several processes."""


class Metrics:
    """Everything a process counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare all of it in `registry`."""
        self.registry = registry
        self._of_requests()
        self._of_shaping()
        self._of_sending()
        self._of_doubt()
        self._of_sms()
        self._of_events()
        self._of_reports()
        self._of_the_process()

    def _of_requests(self) -> None:
        """What comes in over HTTP, and what is taken."""
        self.requests = self._counter("linegate_requests_total", "API requests", "route", "status")
        self.request_seconds = self._histogram(
            "linegate_request_seconds", "How long API requests took to be answered", "route"
        )
        self.accepted = self._counter(
            "linegate_messages_accepted_total", "Messages taken with a 200, by result", "result"
        )

    def _of_shaping(self) -> None:
        """What becomes due, or ends before."""
        self.released = self._counter(
            "linegate_messages_released_total", "Messages of waiting bulks that became due"
        )
        self.cancelled = self._counter(
            "linegate_messages_cancelled_total",
            "Messages that ended because their bulk was cancelled",
        )
        self.expired_due = self._counter(
            "linegate_expired_due_total", "Messages whose validity ran out before they could go"
        )

    def _of_sending(self) -> None:
        """The way to LINE: from the claim to what LINE answered."""
        self.claimed = self._counter(
            "linegate_messages_claimed_total", "Messages leased for sending"
        )
        self.in_flight = self._gauge(
            "linegate_in_flight_messages",
            "Messages that are claimed for LINE and not settled",
            join="livesum",
        )
        self.unbegun = self._counter(
            "linegate_unbegun_total",
            "Claimed messages that went back unsent, since it was too late to begin, by leg",
            "leg",
        )
        self.late_seconds = self._histogram(
            "linegate_send_late_seconds",
            "How late messages left for LINE after they were due",
            buckets=(*_SECONDS, 60, 300, 3600),
        )
        self.attempts = self._counter(
            "linegate_attempts_total",
            "Attempts at LINE, by outcome and HTTP status",
            "outcome",
            "code",
        )
        self.line_seconds = self._histogram("linegate_line_seconds", "How long LINE took to answer")
        self.holds = self._counter(
            "linegate_sender_holds_total", "Senders held, by reason", "reason"
        )

    def _of_doubt(self) -> None:
        """What went otherwise than it should: leases, silence, and what goes again."""
        self.fenced = self._counter(
            "linegate_settles_fenced_total",
            "Outcomes that came after the message had gone on without them",
        )
        self.leases_lost = self._counter(
            "linegate_leases_lost_total",
            "Claims that ended without an outcome: what their worker did is unknown, by leg",
            "leg",
        )
        self.resends = self._counter(
            "linegate_resends_total",
            "Messages that go again after an unknown outcome: each may arrive twice, by leg",
            "leg",
        )
        self.resends_spared = self._counter(
            "linegate_resends_spared_total",
            "Unknown outcomes that LINE's event settled before the message went again",
        )
        self.patience_over = self._counter(
            "linegate_patience_over_total",
            "Messages that waited long enough, by what for and what follows",
            "state",
            "step",
        )
        self.failovers = self._counter(
            "linegate_failovers_total",
            "Messages that went on by SMS, by cause: refused, silence or broken (the sender)",
            "cause",
        )

    def _of_sms(self) -> None:
        """The SMS leg."""
        self.sms_attempts = self._counter(
            "linegate_sms_attempts_total", "Submissions to SMS providers, by outcome", "outcome"
        )
        self.sms_seconds = self._histogram(
            "linegate_sms_seconds", "How long SMS providers took to answer"
        )
        self.sms_receipts = self._counter(
            "linegate_sms_receipts_total",
            "Receipts of SMS providers, by whether they met a message",
            "result",
        )

    def _of_events(self) -> None:
        """What LINE tells us."""
        self.events = self._counter("linegate_events_total", "Delivery events of LINE", "result")
        self.events_refused = self._counter(
            "linegate_webhook_calls_refused_total",
            "Calls to /line/webhook refused, by reason",
            "reason",
        )
        self.relayed = self._counter(
            "linegate_relayed_total",
            "Forwards of LINE's calls to bots behind senders, by result",
            "result",
        )
        self.deaf = self._counter(
            "linegate_senders_deaf_total", "Senders that hand over and hear no event"
        )

    def _of_reports(self) -> None:
        """What we tell clients."""
        self.pushed = self._counter(
            "linegate_reports_pushed_total", "Delivery reports pushed, by result", "result"
        )
        self.report_delay_seconds = self._histogram(
            "linegate_report_delay_seconds",
            "From when a report fell due until it was taken, by whether its endpoint was steady",
            "endpoint",
            buckets=(*_SECONDS, 60, 300, 3600, 21600, 86400),
        )
        self.reports_waiting = self._gauge(
            "linegate_reports_waiting",
            "Delivery reports that wait to be pushed, by endpoint",
            "endpoint",
            join="mostrecent",
        )
        self.reports_given_up = self._gauge(
            "linegate_reports_given_up",
            "Delivery reports that were given up, by endpoint",
            "endpoint",
            join="mostrecent",
        )
        self.endpoint_failures = self._gauge(
            "linegate_endpoint_failures",
            "Rounds of pushes in a row that an endpoint has failed",
            "endpoint",
            join="mostrecent",
        )
        self.pulled = self._counter("linegate_reports_pulled_total", "Delivery reports pulled")

    def _of_the_process(self) -> None:
        """Its loops, and its spans."""
        self.loop_crashes = self._counter(
            "linegate_loop_crashes_total", "Crashes of a loop", "loop"
        )
        self.loop_failing = self._gauge(
            "linegate_loop_failing", "1 while a loop's last run crashed", "loop", join="livemax"
        )
        self.loop_success = self._gauge(
            "linegate_loop_success_timestamp_seconds",
            "When a loop last ran without a crash, or began; of several processes the longest ago",
            "loop",
            join="livemin",
        )
        self.loop_interval = self._gauge(
            "linegate_loop_interval_seconds",
            "Longest rest of a loop that has nothing to do",
            "loop",
            join="livemax",
        )
        self.spans = self._counter(
            "linegate_trace_spans_total",
            "Spans by what became of them: exported, failed (not taken), dropped (too many waited)",
            "result",
        )

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str, join: Join) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry, multiprocess_mode=join)

    def _histogram(
        self, name: str, meaning: str, *labels: str, buckets: Sequence[float] = _SECONDS
    ) -> Histogram:
        return Histogram(name, meaning, labels, registry=self.registry, buckets=buckets)
