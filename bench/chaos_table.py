"""What the scenes showed, as tables, and judged."""

from collections.abc import Iterator
from dataclasses import dataclass

from chaos_scenes import Scene
from chaos_site import Site
from chaos_watch import Span, percentile
from rich.table import Table

__all__ = ["Bounds", "Seen", "judge", "tables"]

_GROUPS = ("api", "workers", "postgres")
_OURS = ("api", "workers")
_MAY_GROW = 40.0  # megabytes of one process during a fault, from its first third to its last


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the steady sender must keep: so much of its own rate, and its own times (99 %, twice)
    with so many seconds more.
    """

    keeps: float
    may_wait: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What one scene showed. drained: seconds until all was reported; -1: not in time."""

    scene: Scene
    before: Span
    during: Span
    drained: float


def tables(here: Site, seen: list[Seen]) -> tuple[Table, Table]:
    """The steady sender's, and the memory's."""
    steady = Table(
        "fault", "at LINE /s", "to LINE, 50 % / 99 % ms", "reported, 99 % ms", "drained",
        title="The steady sender, before > during the fault",
    )  # fmt: skip
    memory = Table("fault", *(f"{name}, MB" for name in _GROUPS), title="Memory, most; growth")
    for each in seen:
        steady.add_row(each.scene.name, *_steady_row(here, each))
        memory.add_row(each.scene.name, *_memory_row(here, each))
    return steady, memory


def _steady_row(here: Site, each: Seen) -> Iterator[str]:
    spans = (each.before, each.during)
    yield " > ".join(f"{here.arrivals.rate(span):.1f}" for span in spans)
    yield " > ".join(_two(_delays(here, span)) for span in spans)
    yield " > ".join(f"{percentile(_reported(here, span), 99) * 1000:.0f}" for span in spans)
    yield f"{each.drained:.0f} s"


def _memory_row(here: Site, each: Seen) -> Iterator[str]:
    for name in _GROUPS:
        before, most = (here.memory.most(name, span) for span in (each.before, each.during))
        yield f"{before:.0f} > {most:.0f}; {here.memory.growth(name, each.during):+.1f}"


def judge(here: Site, each: Seen, bounds: Bounds) -> Iterator[str]:
    """What was not as it must be."""
    name = each.scene.name
    if each.drained < 0:
        yield f"{name}: it did not drain"
    for group in _OURS:
        grown = here.memory.growth(group, each.during)
        if grown > _MAY_GROW:
            yield f"{name}: {group} grew by {grown:.0f} MB"
    if not each.scene.spares:
        return
    before, during = (here.arrivals.rate(span) for span in (each.before, each.during))
    if during < bounds.keeps * before:
        yield f"{name}: the steady sender fell from {before:.1f} to {during:.1f} a second"
    usual, waited = (percentile(_delays(here, s), 99) for s in (each.before, each.during))
    if waited > bounds.may_wait + 2 * usual:
        yield f"{name}: the steady sender's messages waited {waited:.1f} s"


def _two(delays: list[float]) -> str:
    return f"{percentile(delays, 50) * 1000:.0f} / {percentile(delays, 99) * 1000:.0f}"


def _delays(here: Site, span: Span) -> list[float]:
    return here.arrivals.delays(list(here.steady.sent_at.values()), span)


def _reported(here: Site, span: Span) -> list[float]:
    """How long the reports of what was sent within the span took, from the request on, sorted."""
    first = here.receiver.first_at
    return sorted(
        first[id_] - at
        for id_, at in here.steady.sent_at.items()
        if id_ in first and span.begin <= at < span.end
    )
