"""What the processes of one group have cost: CPU time, read from /proc (Linux only)."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

__all__ = [
    "Group",
    "children_of",
    "cpu_seconds",
    "machine_seconds",
    "memory",
    "snapshot",
    "working_in",
]

_TICKS = os.sysconf("SC_CLK_TCK")

Group = Callable[[], Iterable[int]]
"""The ids of the processes that belong to a group just now."""


def snapshot(groups: Mapping[str, Group]) -> dict[str, float]:
    """CPU seconds used by each group since its processes began."""
    return {name: sum(map(cpu_seconds, group())) for name, group in groups.items()}


def cpu_seconds(pid: int, *, ended_children: bool = True) -> float:
    """User and system seconds of a process, all threads; 0 once it is gone.

    ended_children: count those of its children that have ended too, since a server's children
    (PostgreSQL's backends) come and go.
    """
    fields = _stat(pid)
    if not fields:
        return 0.0
    # After the name: utime, stime, cutime, cstime are fields 14-17 of proc(5).
    return sum(map(int, fields[11 : 15 if ended_children else 13])) / _TICKS


def memory(pid: int, *, own: bool = False) -> int:
    """Bytes of memory of a process, what it shares divided among those who share; 0 once gone.

    own: without what it shares or could read again from a file.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    name = "Pss_Anon:" if own else "Pss:"
    found = (line.split()[1] for line in text.splitlines() if line.startswith(name))
    return int(next(found, "0")) * 1024


def machine_seconds() -> float:
    """CPU seconds that all processes of the machine have used since it was started."""
    words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    user, nice, system, _, _, interrupts, soft = map(int, words[1:8])
    return (user + nice + system + interrupts + soft) / _TICKS


def children_of(parent: int, word: str) -> list[int]:
    """The children of a process whose command line has `word` as an argument."""
    found = []
    for pid in _all_processes():
        fields = _stat(pid)
        if fields and int(fields[1]) == parent and word in _arguments(pid):
            found.append(pid)
    return found


def working_in(folder: Path) -> list[int]:
    """The processes whose working directory is `folder`: a PostgreSQL server's, all of them."""
    return [pid for pid in _all_processes() if _works_in(pid, folder)]


def _all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _stat(pid: int) -> list[str]:
    """The fields behind the name in parentheses; empty when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False
