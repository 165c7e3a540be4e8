"""Charts as SVG, drawn here: no script, no library, and colours that follow the theme by class.

What is drawn stretches to the room there is; what is written stands beside it as text of the page,
so that it can be read on a phone too.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from markupsafe import Markup

__all__ = ["OUTCOMES", "bars", "course", "share_bar"]

OUTCOMES = ("DELIVERED", "PENDING", "UNDELIVERABLE", "EXPIRED", "REJECTED")
"""Groups of statuses in the order in which they are stacked; each is a class of colour."""

_WIDTH, _HEIGHT = 720, 160


def bars(
    points: Sequence[tuple[str, Mapping[str, int]]], *, title: str, unit: str, labels: int = 6
) -> Markup:
    """Stacked columns over time.

    points: label and messages by outcome, oldest first. unit: of what counts upwards.
    labels: how many are written below.
    """
    totals = [sum(by_outcome.values()) for _, by_outcome in points]
    top = _round_up(max(2, *totals) if totals else 2)  # messages come whole
    step = _WIDTH / max(len(points), 1)
    drawn = [
        _column(number * step, step, by_outcome, label, top)
        for number, (label, by_outcome) in enumerate(points)
    ]
    every = max(1, len(points) // labels)
    written = [label for label, _ in points[::every]]
    return _framed(drawn, top, title=title, unit=unit, times=written, kind="times")


def share_bar(by_outcome: Mapping[str, int], *, title: str) -> Markup:
    """One bar that is divided as the messages are; nothing of nothing."""
    total = sum(by_outcome.values())
    if not total:
        return Markup("")
    drawn, x = [], 0.0
    for outcome, count in by_outcome.items():
        if not count:
            continue
        width = 1000 * count / total
        drawn.append(
            Markup(
                '<rect x="{:.1f}" y="0" width="{:.1f}" height="16" class="of-{}">'
                "<title>{}: {}</title></rect>"
            ).format(x, width, outcome.lower(), outcome.lower(), count)
        )
        x += width
    return Markup(
        '<svg class="share" viewBox="0 0 1000 16" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>'
    ).format(title, Markup("").join(drawn))


def course(
    *, start: datetime, now: datetime, end: datetime | None, done: int, total: int
) -> Markup:
    """How many messages left over time: what was, as a line, and the forecast, dashed.

    start: when the bulk began or will; end: when its last message will leave, None if unknown.
    """
    begins = min(start, now)
    last = max(end or now, now, start)
    length = (last - begins).total_seconds()
    if length <= 0 or total <= 0:
        return Markup("")

    def spot(at: datetime, count: int) -> str:
        x = _WIDTH * (at - begins).total_seconds() / length
        return f"{x:.1f},{_HEIGHT * (1 - min(count, total) / total):.1f}"

    was = f"{spot(start, 0)} {spot(now, done)}" if now > start else ""
    lines = [Markup('<polyline points="{}" class="course"/>').format(was)]
    if end is not None and end > now:
        to_come = f"{spot(max(now, start), done)} {spot(end, total)}"
        lines.append(Markup('<polyline points="{}" class="course dashed"/>').format(to_come))
    return _framed(
        lines,
        total,
        title=f"{done} of {total} messages have left",
        unit="messages that have left; dashed: forecast",
        times=[f"{at:%d %b %H:%M}" for at in (begins, last)],
        kind="ends",
    )


def _framed(
    drawn: Sequence[Markup], top: int, *, title: str, unit: str, times: Sequence[str], kind: str
) -> Markup:
    """What is drawn with its lines, its two scales, and their units."""
    values = [top * part for part in (1, 0.5, 0)]
    words = [f"{value:g}" if value < 1000 else f"{value / 1000:g}k" for value in values]
    lines = [
        Markup('<line x1="0" x2="{0}" y1="{1:g}" y2="{1:g}" class="grid"/>').format(_WIDTH, y)
        for y in (0, _HEIGHT / 2, _HEIGHT)
    ]
    return Markup(
        '<figure class="chart"><figcaption>{}; times in UTC</figcaption>'
        '<div class="plot"><div class="scale" aria-hidden="true">{}</div>'
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}{}</svg>'
        '</div><div class="{}" aria-hidden="true">{}</div></figure>'
    ).format(
        unit,
        _spans(words),
        _WIDTH,
        _HEIGHT,
        title,
        Markup("").join(lines),
        Markup("").join(drawn),
        kind,
        _spans(times),
    )


def _spans(words: Sequence[str]) -> Markup:
    return Markup("").join(Markup("<span>{}</span>").format(each) for each in words)


def _column(x: float, step: float, by_outcome: Mapping[str, int], label: str, top: int) -> Markup:
    base, drawn = float(_HEIGHT), []
    for outcome in OUTCOMES:
        count = by_outcome.get(outcome, 0)
        if not count:
            continue
        height = _HEIGHT * count / top
        base -= height
        drawn.append(
            Markup(
                '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="of-{}">'
                "<title>{} {}: {}</title></rect>"
            ).format(
                x, base, max(step - 1, 1), height, outcome.lower(), label, outcome.lower(), count
            )
        )
    return Markup("").join(drawn)


def _round_up(value: int) -> int:
    """The next 1, 2 or 5 with zeros: an axis that people can read."""
    power = 1
    while power * 10 <= value:
        power *= 10
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
