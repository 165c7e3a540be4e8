"""Whether a data directory's server is alive: what its pid file says, and whether to believe it."""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Running", "running_server"]


@dataclass(frozen=True, slots=True)
class Running:
    """What a live server wrote into postmaster.pid."""

    socket_folder: Path
    is_ready: bool
    is_stopping: bool


def running_server(data: Path) -> Running | None:
    """The live server of this data directory, or None; a stale pid file counts as none."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not _is_server_of(data, int(lines[0])):
        return None
    status = lines[7].strip() if len(lines) > 7 else "starting"
    folder = Path(lines[4]) if len(lines) > 4 else data
    return Running(folder, status == "ready", status == "stopping")


def _is_server_of(data: Path, process: int) -> bool:
    """Whether a process is this directory's server, and not a later one with the same number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, PermissionError):
        return False
    try:
        # The server's working directory is its data directory.
        return Path(f"/proc/{process}/cwd").samefile(data)
    except FileNotFoundError:
        # It ended just now, or this system has no /proc and its number must do.
        return not Path("/proc/self").exists()
