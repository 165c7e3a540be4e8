"""Counters and gauges, declared once. Labels are few and never name a person or a message."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Everything a process counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare all of it in `registry`."""
        self.registry = registry
        self.requests = Counter(
            "linegate_requests_total", "API requests", ["route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "linegate_request_seconds",
            "How long API requests took to be answered",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.accepted = Counter(
            "linegate_messages_accepted_total",
            "Messages taken with a 200, by result",
            ["result"],
            registry=registry,
        )
        self.released = Counter(
            "linegate_messages_released_total",
            "Messages of waiting bulks that became due",
            registry=registry,
        )
        self.cancelled = Counter(
            "linegate_messages_cancelled_total",
            "Messages that ended because their bulk was cancelled",
            registry=registry,
        )
        self.claimed = Counter(
            "linegate_messages_claimed_total", "Messages leased for sending", registry=registry
        )
        self.attempts = Counter(
            "linegate_attempts_total",
            "Attempts at LINE, by outcome and HTTP status",
            ["outcome", "code"],
            registry=registry,
        )
        self.late_seconds = Histogram(
            "linegate_send_late_seconds",
            "How late messages left for LINE after they were due",
            buckets=(*_SECONDS, 60, 300, 3600),
            registry=registry,
        )
        self.in_flight = Gauge(
            "linegate_in_flight_messages",
            "Messages that are claimed for LINE and not settled",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.line_seconds = Histogram(
            "linegate_line_seconds",
            "How long LINE took to answer",
            buckets=_SECONDS,
            registry=registry,
        )
        self.fenced = Counter(
            "linegate_settles_fenced_total",
            "Outcomes that came after the message had gone on without them",
            registry=registry,
        )
        self.unbegun = Counter(
            "linegate_unbegun_total",
            "Claimed messages that went back unsent, since it was too late to begin, by leg",
            ["leg"],
            registry=registry,
        )
        self.leases_lost = Counter(
            "linegate_leases_lost_total",
            "Claims that ended without an outcome: what their worker did is unknown, by leg",
            ["leg"],
            registry=registry,
        )
        self.resends = Counter(
            "linegate_resends_total",
            "Messages that go again after an unknown outcome: each may arrive twice, by leg",
            ["leg"],
            registry=registry,
        )
        self.resends_spared = Counter(
            "linegate_resends_spared_total",
            "Unknown outcomes that LINE's event settled before the message went again",
            registry=registry,
        )
        self.patience_over = Counter(
            "linegate_patience_over_total",
            "Messages that waited long enough, by what for and what follows",
            ["state", "step"],
            registry=registry,
        )
        self.failovers = Counter(
            "linegate_failovers_total",
            "Messages that went on by SMS, by cause: refused, silence or broken (the sender)",
            ["cause"],
            registry=registry,
        )
        self.expired_due = Counter(
            "linegate_expired_due_total",
            "Messages whose validity ran out before they could go",
            registry=registry,
        )
        self.holds = Counter(
            "linegate_sender_holds_total", "Senders held, by reason", ["reason"], registry=registry
        )
        self.events = Counter(
            "linegate_events_total", "Delivery events of LINE", ["result"], registry=registry
        )
        self.events_refused = Counter(
            "linegate_webhook_calls_refused_total",
            "Calls to /line/webhook refused, by reason",
            ["reason"],
            registry=registry,
        )
        self.relayed = Counter(
            "linegate_relayed_total",
            "Forwards of LINE's calls to bots behind senders, by result",
            ["result"],
            registry=registry,
        )
        self.pushed = Counter(
            "linegate_reports_pushed_total",
            "Delivery reports pushed, by result",
            ["result"],
            registry=registry,
        )
        self.report_delay_seconds = Histogram(
            "linegate_report_delay_seconds",
            "From when a report fell due until it was taken, by whether its endpoint was steady",
            ["endpoint"],
            buckets=(*_SECONDS, 60, 300, 3600, 21600, 86400),
            registry=registry,
        )
        self.reports_waiting = Gauge(
            "linegate_reports_waiting",
            "Delivery reports that wait to be pushed, by endpoint",
            ["endpoint"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.reports_given_up = Gauge(
            "linegate_reports_given_up",
            "Delivery reports that were given up, by endpoint",
            ["endpoint"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.endpoint_failures = Gauge(
            "linegate_endpoint_failures",
            "Rounds of pushes in a row that an endpoint has failed",
            ["endpoint"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.pulled = Counter(
            "linegate_reports_pulled_total", "Delivery reports pulled", registry=registry
        )
        self.sms_attempts = Counter(
            "linegate_sms_attempts_total",
            "Submissions to SMS providers, by outcome",
            ["outcome"],
            registry=registry,
        )
        self.sms_seconds = Histogram(
            "linegate_sms_seconds",
            "How long SMS providers took to answer",
            buckets=_SECONDS,
            registry=registry,
        )
        self.sms_receipts = Counter(
            "linegate_sms_receipts_total",
            "Receipts of SMS providers, by whether they met a message",
            ["result"],
            registry=registry,
        )
        self.deaf = Counter(
            "linegate_senders_deaf_total",
            "Senders that hand over and hear no event",
            registry=registry,
        )
        self.spans = Counter(
            "linegate_trace_spans_total",
            "Spans by what became of them: exported, failed (not taken), dropped (too many waited)",
            ["result"],
            registry=registry,
        )
        self.loop_crashes = Counter(
            "linegate_loop_crashes_total", "Crashes of a loop", ["loop"], registry=registry
        )
        self.loop_failing = Gauge(
            "linegate_loop_failing",
            "1 while a loop's last run crashed",
            ["loop"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.loop_success = Gauge(
            "linegate_loop_success_timestamp_seconds",
            "When a loop last ran without a crash, or began; of several processes the longest ago",
            ["loop"],
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.loop_interval = Gauge(
            "linegate_loop_interval_seconds",
            "Longest rest of a loop that has nothing to do",
            ["loop"],
            registry=registry,
            multiprocess_mode="livemax",
        )
