"""Small rules of the console: places of violations, percentiles, charts, spans of time."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linegate.console.charts import bars, course, share_bar
from linegate.console.overview import Rates, Slowness, figures_of
from linegate.console.pages import duration
from linegate.console.places import line_of, lines_of
from linegate.console.wall import LINE_SWITCHES, SMS_SWITCHES
from linegate.domain.pulse import BOUNDS, BY_SMS, SPANS, Beat, percentile
from linegate.simulator import fates, smsc_fates

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
TEXT = """{
  "altText": "a",
  "contents": {
    "body": {
      "contents": [
        {"type": "TEXT"},
        {"type": "TEXT",
         "color": "white"}
      ]
    }
  }
}"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("altText", 2),
        ("contents.body.contents[1].color", 8),
        ("contents.body.contents[1].size", 7),
        ("contents.body.contents[7]", 5),
        ("contents.footer", 3),
        ("nowhere", 1),
        ("$", 1),
    ],
)
def test_a_violation_is_shown_where_it_is_or_at_what_is_around_it(path: str, line: int) -> None:
    assert line_of(lines_of(TEXT), path) == line


def test_a_text_that_is_being_typed_has_places_up_to_its_break() -> None:
    lines = lines_of(TEXT[: TEXT.index('"white"')])
    assert lines["contents.body.contents[0].type"] == 6
    assert lines_of("") == {"": 1}
    assert lines_of("[" * 3000)


@given(st.dictionaries(st.text(max_size=3), st.lists(st.integers() | st.text(max_size=5))))
def test_every_property_of_any_json_has_a_line(tree: dict[str, list[object]]) -> None:
    text = json.dumps(tree, indent=1)
    lines = lines_of(text)
    for name in tree:
        if name and "[" not in name and "." not in name:
            assert json.dumps(name) in text.split("\n")[lines[name] - 1]


def test_percentiles_lie_in_their_buckets() -> None:
    assert percentile({}, 0.5) is None
    assert percentile({0: 9}, 0.5) is None
    assert percentile({2: 10}, 0.5) == pytest.approx(0.15)
    assert percentile({2: 90, 6: 10}, 0.95) == pytest.approx(3.5)
    assert percentile({len(BOUNDS): 5}, 0.5) == BOUNDS[-1]


@given(st.dictionaries(st.integers(1, len(BOUNDS)), st.integers(1, 1000), min_size=1))
def test_percentiles_never_fall(by_bucket: dict[int, int]) -> None:
    found = [percentile(by_bucket, share) for share in (0.1, 0.5, 0.9, 1.0)]
    assert found == sorted(found, key=lambda each: each or 0)


def test_figures_are_sums_of_the_beats_and_nothing_is_divided_by_nothing() -> None:
    empty = figures_of([], SPANS["hour"], NOW)
    assert (empty.ended, empty.delivered_share, empty.p50) == (0, None, None)
    at = (NOW - timedelta(minutes=3)).timestamp()
    beats = [Beat(at, 5, 3, 6), Beat(at, 9, 0, 2), Beat(at, 5, BY_SMS, 2)]
    found = figures_of(beats, SPANS["hour"], NOW)
    assert found.failover_share == 0.25
    assert found.ended == 8
    assert found.delivered_share == 0.75
    assert found.by_group == {"DELIVERED": 6, "UNDELIVERABLE": 2}
    assert "09:27 delivered: 6" in found.chart


def test_a_rate_is_what_was_granted_between_two_looks() -> None:
    rates = Rates()
    assert rates.rate(1, 1000, NOW) == 0
    assert rates.rate(1, 3000, NOW + timedelta(seconds=2)) == 1000
    assert rates.rate(1, 9999, NOW + timedelta(seconds=2.5)) == 1000
    assert rates.rate(1, 9999, NOW + timedelta(minutes=5)) == 0


def test_a_sender_that_line_slowed_down_is_known_for_ten_seconds() -> None:
    slowness = Slowness()
    second = timedelta(seconds=1)
    assert not slowness.is_slowed(1, NOW + second / 10, NOW)  # its own pace
    assert slowness.is_slowed(1, NOW + second, NOW)
    assert slowness.is_slowed(1, NOW, NOW + 9 * second)
    assert not slowness.is_slowed(2, NOW, NOW + 9 * second)
    assert not slowness.is_slowed(1, NOW, NOW + 11 * second)


def test_charts_scale_to_what_they_show() -> None:
    chart = bars([("a", {"DELIVERED": 30, "EXPIRED": 10}), ("b", {})], title="t", unit="messages")
    assert ">50<" in chart
    assert chart.count("<rect") == 2
    assert share_bar({}, title="t") == ""
    assert 'width="250.0"' in share_bar({"DELIVERED": 1, "EXPIRED": 3}, title="t")
    drawn = course(start=NOW, now=NOW, end=NOW + timedelta(hours=1), done=0, total=10)
    assert "dashed" in drawn


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0.24, "240 ms"),
        (1.5, "1.5 s"),
        (45, "45 s"),
        (600, "10 min"),
        (9000, "2 h"),
        (400_000, "5 d"),
    ],
)
def test_spans_of_time_are_told_briefly(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_the_sandboxs_switches_are_fates_that_the_simulator_knows() -> None:
    assert set(LINE_SWITCHES) <= set(fates.SWITCHES)
    for name, fate in fates.SWITCHES.items():
        # What the simulator says is switched must be what the page offers, or it shows another.
        if name in LINE_SWITCHES and fate is not None:
            assert fate.name == name
    assert set(SMS_SWITCHES) == set(smsc_fates.SMS_SWITCHES)
