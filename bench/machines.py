"""Several machines on one: network namespaces joined by a switch. Needs root and iproute2.

Nothing of them is reachable from this machine's own network: the switch is a namespace as well.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["NETWORK", "Machine", "enter", "machines"]

NETWORK = "10.77.0.0/24"
_CLONE_NEWNET = 0x40000000
_NOBODY = "02:00:00:00:00:ff"  # no machine has it: what is sent there is lost
_PORT_OFF, _PORT_ON = "0", "3"  # states of a bridge's port: nothing passes, everything does


@dataclass(slots=True)
class Machine:
    """A network namespace, its address, and the processes that were started in it."""

    name: str
    number: int
    namespace: str
    switch: str
    processes: list[Process] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Its address in `NETWORK`."""
        return f"10.77.0.{self.number}"

    @property
    def hardware(self) -> str:
        """Its address on the wire."""
        return f"02:00:00:00:00:{self.number:02x}"

    async def start(
        self, *command: str, env: Mapping[str, str], log: Path, piped: bool = False
    ) -> Process:
        """Start a program there. piped: its standard input and output are ours."""
        with log.open("ab") as written:
            process = await asyncio.create_subprocess_exec(
                *("ip", "netns", "exec", self.namespace, *command),
                env=env,
                stdin=PIPE if piped else DEVNULL,
                stdout=PIPE if piped else DEVNULL,
                stderr=written,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    async def kill(self) -> None:
        """`kill -9` of everything that runs there."""
        self._signal(signal.SIGKILL)
        for process in self.processes:
            await process.wait()
        self.processes.clear()

    def freeze(self) -> None:
        """Everything there stands still; its connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on as if nothing had been."""
        self._signal(signal.SIGCONT)

    def cut(self) -> None:
        """Pull the cable out at the switch: packets vanish, and nobody is told."""
        self._port(_PORT_OFF)

    def heal(self) -> None:
        """Put it in again."""
        self._port(_PORT_ON)

    def lose(self, other: "Machine") -> None:
        """Packets between these two vanish; each still reaches the others."""
        _neighbour(self, other, _NOBODY)
        _neighbour(other, self, _NOBODY)

    def find(self, other: "Machine") -> None:
        """They reach each other again."""
        _neighbour(self, other, other.hardware)
        _neighbour(other, self, self.hardware)

    def _port(self, state: str) -> None:
        port = f"p-{self.name}"
        _run(
            "ip", "netns", "exec", self.switch, "bridge", "link", "set", "dev", port, "state", state
        )

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.send_signal(number)


@contextmanager
def machines(names: Sequence[str]) -> Iterator[dict[str, Machine]]:
    """So many machines on one switch while the block lasts; what runs in them is killed."""
    prefix = f"lg{os.getpid()}"
    switch = f"{prefix}-switch"
    made = {
        name: Machine(name, number, f"{prefix}-{name}", switch)
        for number, name in enumerate(names, start=1)
    }
    try:
        _run("ip", "netns", "add", switch)
        _ip(switch, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        _ip(switch, "link", "set", "br0", "up")
        for machine in made.values():
            _plug_in(machine)
        # They know each other's addresses by heart: who is cut off must not notice it by asking.
        for machine in made.values():
            for other in made.values():
                if other is not machine:
                    _neighbour(machine, other, other.hardware)
        yield made
    finally:
        for namespace in (*(machine.namespace for machine in made.values()), switch):
            _clear(namespace)


def enter(machine: Machine) -> None:
    """Make this process one of that machine's; before it has started any thread."""
    library = ctypes.CDLL(None, use_errno=True)
    with Path(f"/run/netns/{machine.namespace}").open("rb") as namespace:
        if library.setns(namespace.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "cannot enter a network namespace")


def _plug_in(machine: Machine) -> None:
    _run("ip", "netns", "add", machine.namespace)
    _ip(
        machine.switch,
        *("link", "add", f"p-{machine.name}", "type", "veth"),
        *("peer", "name", "eth0", "address", machine.hardware, "netns", machine.namespace),
    )
    _ip(machine.switch, "link", "set", f"p-{machine.name}", "master", "br0", "up")
    _ip(machine.namespace, "addr", "add", f"{machine.address}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        _ip(machine.namespace, "link", "set", device, "up")


def _clear(namespace: str) -> None:
    """End what still runs in a namespace, whoever's child it is, and remove it."""
    for pid in _run("ip", "netns", "pids", namespace).split():
        with contextlib.suppress(ProcessLookupError):
            if int(pid) != os.getpid():
                os.kill(int(pid), signal.SIGKILL)
    _run("ip", "netns", "del", namespace)


def _neighbour(machine: Machine, other: Machine, hardware: str) -> None:
    place = (other.address, "dev", "eth0", "lladdr", hardware, "nud", "permanent")
    _ip(machine.namespace, "neigh", "replace", *place)


def _ip(namespace: str, *words: str) -> None:
    _run("ip", "-n", namespace, *words)


def _run(*command: str) -> str:
    answer = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - words of ours
    if answer.returncode:
        raise OSError(f"{' '.join(command)}: {answer.stderr.strip()}")
    return answer.stdout
