"""`python -m support.crash.zygote`: has linegate imported, and forks a process of it when told to.

Reading the program in costs more than a second of CPU; half a thousand deaths would pay it each
time. A line of JSON on standard input says what to run: an id, the arguments, the board, the log.
Each answer is a line: the id with a pid when it was forked, with a code when it has ended.
"""

import gc
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from linegate.cli.main import main
from support.crash.board import Board
from support.crash.trap import set_trap

__all__ = ["run"]


def run() -> None:
    """Fork until standard input closes, then kill what is left."""
    import linegate.cli.fleet
    import linegate.cli.lone_worker
    import linegate.service  # noqa: F401 - read in before anything is forked

    gc.freeze()
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    names: dict[int, str] = {}
    rest = b""
    while True:
        ready, _, _ = select.select([0, heard], [], [])
        if heard in ready:
            os.read(heard, 4096)
            _reap(names)
        if 0 in ready:
            read = os.read(0, 65536)
            if not read:
                break
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                order = json.loads(line)
                names[_fork(order)] = order["id"]
                _reap(names)
    for pid in names:
        os.kill(pid, signal.SIGKILL)


def _reap(names: dict[int, str]) -> None:
    for pid in list(names):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            _say({"id": names.pop(pid), "code": os.waitstatus_to_exitcode(status)})


def _fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = _be(order)
        except BaseException:  # noqa: BLE001 - the last frame of a process
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _say({"id": order["id"], "pid": pid})
    return pid


def _be(order: dict[str, Any]) -> int:
    """The program, in this process; its exit code."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for given, number in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(given, number)
    set_trap(Board(Path(order["board"])))
    sys.argv = ["linegate", *order["arguments"]]
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _say(answer: dict[str, object]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    run()
