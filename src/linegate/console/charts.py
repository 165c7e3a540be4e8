"""Charts as SVG, drawn here: no script, no library, and colours that follow the theme by class."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from markupsafe import Markup

__all__ = ["OUTCOMES", "bars", "course", "share_bar"]

OUTCOMES = ("DELIVERED", "PENDING", "UNDELIVERABLE", "EXPIRED", "REJECTED")
"""Groups of statuses in the order in which they are stacked; each is a class of colour."""

_WIDTH, _HEIGHT, _BELOW, _LEFT = 720, 180, 20, 44


def bars(points: Sequence[tuple[str, Mapping[str, int]]], *, title: str, labels: int = 6) -> Markup:
    """Stacked columns over time.

    points: label and messages by outcome, oldest first. labels: how many are written below.
    """
    totals = [sum(by_outcome.values()) for _, by_outcome in points]
    top = _round_up(max(totals, default=0) or 1)
    step = (_WIDTH - _LEFT) / max(len(points), 1)
    drawn = [_grid(top)]
    every = max(1, len(points) // labels)
    for number, (label, by_outcome) in enumerate(points):
        drawn.append(_column(_LEFT + number * step, step, by_outcome, label, top))
        if number % every == 0:
            x = _LEFT + number * step
            drawn.append(
                Markup('<text x="{:.1f}" y="{}" class="tick">{}</text>').format(
                    x, _HEIGHT - 4, label
                )
            )
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(_WIDTH, _HEIGHT, title, Markup("").join(drawn))


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


def _column(x: float, step: float, by_outcome: Mapping[str, int], label: str, top: int) -> Markup:
    base, drawn = float(_HEIGHT - _BELOW), []
    room = _HEIGHT - _BELOW - 8
    for outcome in OUTCOMES:
        count = by_outcome.get(outcome, 0)
        if not count:
            continue
        height = room * count / top
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


def _grid(top: int) -> Markup:
    room = _HEIGHT - _BELOW - 8
    lines = []
    for part in (0, 0.5, 1):
        y = _HEIGHT - _BELOW - room * part
        value = top * part
        words = f"{value:g}" if value < 1000 else f"{value / 1000:g}k"
        lines.append(
            Markup(
                '<line x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}" class="grid"/>'
                '<text x="{}" y="{:.1f}" class="tick end">{}</text>'
            ).format(_LEFT, _WIDTH, y, y, _LEFT - 6, y + 4, words)
        )
    return Markup("").join(lines)


def _round_up(value: int) -> int:
    """The next 1, 2 or 5 with zeros: an axis that people can read."""
    power = 1
    while power * 10 <= value:
        power *= 10
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


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
    room, base = _HEIGHT - _BELOW - 8, _HEIGHT - _BELOW

    def spot(at: datetime, count: int) -> str:
        x = _LEFT + (_WIDTH - _LEFT - 6) * (at - begins).total_seconds() / length
        return f"{x:.1f},{base - room * min(count, total) / total:.1f}"

    lines = [_grid(total)]
    was = f"{spot(start, 0)} {spot(now, done)}" if now > start else ""
    lines.append(Markup('<polyline points="{}" class="course"/>').format(was))
    if end is not None and end > now:
        to_come = f"{spot(max(now, start), done)} {spot(end, total)}"
        lines.append(Markup('<polyline points="{}" class="course dashed"/>').format(to_come))
    for at, kind in ((begins, "tick"), (last, "tick end")):
        x = spot(at, 0).partition(",")[0]
        lines.append(
            Markup('<text x="{}" y="{}" class="{}">{}</text>').format(
                x, _HEIGHT - 4, kind, f"{at:%d %b %H:%M}"
            )
        )
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(_WIDTH, _HEIGHT, f"{done} of {total} messages have left", Markup("").join(lines))
