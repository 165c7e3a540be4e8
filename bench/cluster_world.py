"""The machines of `cluster.py`: a database, three nodes, and the world outside of them.

Each node runs `linegate api` and `linegate worker`. Outside are a simulated LINE and SMSC, the
client's report endpoint, and a front that spreads calls over the nodes that answer.
"""

import asyncio
import base64
import os
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp
import asyncpg
from aiohttp import web
from machines import NETWORK, Machine
from prometheus_client.parser import text_string_to_metric_families

from linegate.simulator.app import RunningSimulator, running
from linegate.simulator.settings import ChannelSettings, SimulatorSettings

__all__ = ["CHANNELS", "KEY", "SLOW_RATE", "Cluster", "ClusterError", "Front", "Node", "built"]

KEY = "an API key for the cluster of the bench, long enough"
CHANNELS = {"FAST": "1", "SLOW": "2", "PACED": "3"}
SLOW_RATE = 400
"""Messages a second that the sender SLOW may send."""
_SECRET = "secret of the channels"  # noqa: S105
_STARTS_WITHIN = 240.0
_BAD_FOR = 3.0  # seconds a node gets no calls after one that it did not answer

Counters = dict[tuple[str, str], float]
"""A process's counters of resends and the like: by name and labels."""


class ClusterError(Exception):
    """Something could not be started; the text says what."""


class Front:
    """What spreads calls over the nodes, as a load balancer does: away from one that is silent."""

    def __init__(self, session: aiohttp.ClientSession, nodes: Mapping[str, "Node"]) -> None:
        self._session = session
        self._nodes = nodes
        self._bad_until: dict[str, float] = {}
        self._turn = count()

    async def call(
        self, path: str, body: bytes, headers: Mapping[str, str], within: float
    ) -> tuple[int, bytes]:
        """POST to one node after the other until one answers; 502 if none does."""
        for node in self._in_turn():
            try:
                async with self._session.post(
                    node.url + path,
                    data=body,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=within),
                ) as answer:
                    if answer.status < 500:
                        return answer.status, await answer.read()
            except (aiohttp.ClientError, TimeoutError):
                pass
            self._bad_until[node.machine.name] = asyncio.get_running_loop().time() + _BAD_FOR
        return 502, b""

    async def relay(self, request: web.Request) -> web.Response:
        """A call of LINE's webhook, on its way to a node."""
        wanted = ("X-Line-Signature", "Content-Type")
        headers = {name: request.headers[name] for name in wanted if name in request.headers}
        status, _ = await self.call(request.path, await request.read(), headers, within=0.8)
        return web.Response(status=status)

    def _in_turn(self) -> list["Node"]:
        nodes, now = list(self._nodes.values()), asyncio.get_running_loop().time()
        first = next(self._turn) % len(nodes)
        turned = nodes[first:] + nodes[:first]
        return sorted(turned, key=lambda node: self._bad_until.get(node.machine.name, 0.0) > now)


@dataclass(slots=True)
class Node:
    """A machine with an API and a worker. counted: what its workers before the present counted."""

    machine: Machine
    env: dict[str, str]
    folder: Path
    counted: Counters = field(default_factory=dict)
    seen: Counters = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Base URL of its API."""
        return f"http://{self.machine.address}:8080"

    @property
    def worker_url(self) -> str:
        """Base URL of its worker's probes."""
        return f"http://{self.machine.address}:9100"

    async def start(self) -> None:
        """Start both roles; does not wait for them."""
        log = self.folder / f"{self.machine.name}.log"
        linegate = (sys.executable, "-m", "linegate")
        address = self.machine.address
        await self.machine.start(*linegate, "api", "--host", address, env=self.env, log=log)
        probes = {"LINEGATE_METRICS_HOST": address, "LINEGATE_METRICS_PORT": "9100"}
        await self.machine.start(*linegate, "worker", env={**self.env, **probes}, log=log)

    async def kill(self) -> None:
        """`kill -9` of both; what the worker had counted is kept."""
        await self.machine.kill()
        for key, value in self.seen.items():
            self.counted[key] = self.counted.get(key, 0.0) + value
        self.seen = {}

    async def is_ready(self, session: aiohttp.ClientSession) -> bool:
        """Whether both answer and work."""
        for url in (self.url, self.worker_url):
            text = await _get(session, f"{url}/health/ready")
            if text is None:
                return False
        return True

    async def look(self, session: aiohttp.ClientSession) -> None:
        """Read the worker's counters, if it answers."""
        text = await _get(session, f"{self.worker_url}/metrics")
        if text is None:
            return
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                outcome = sample.labels.get("outcome", "unknown")
                if sample.name in _COUNTED and outcome == "unknown":
                    self.seen[sample.name, str(sample.labels)] = sample.value


_COUNTED = (
    "linegate_attempts_total",
    "linegate_sms_attempts_total",
    "linegate_leases_lost_total",
    "linegate_resends_total",
    "linegate_unbegun_total",
    "linegate_settles_fenced_total",
)


@dataclass(slots=True)
class Cluster:
    """Everything that runs."""

    nodes: dict[str, Node]
    database: Machine
    outside: Machine
    line: RunningSimulator
    front: Front
    session: aiohttp.ClientSession
    pool: asyncpg.Pool

    def counted(self, name: str) -> float:
        """A counter over all workers that ever ran; of attempts those without an answer."""
        return sum(
            value
            for node in self.nodes.values()
            for counters in (node.counted, node.seen)
            for (found, _), value in counters.items()
            if found == name
        )

    async def look(self) -> None:
        """Read all counters."""
        await asyncio.gather(*(node.look(self.session) for node in self.nodes.values()))

    async def until_ready(self, *names: str) -> None:
        """Return when these nodes (none named: all) are ready. Raises: ClusterError."""
        for name in names or tuple(self.nodes):
            try:
                async with asyncio.timeout(_STARTS_WITHIN):
                    while not await self.nodes[name].is_ready(self.session):  # noqa: ASYNC110
                        await asyncio.sleep(0.2)
            except TimeoutError:
                raise ClusterError(f"node {name} did not become ready") from None

    async def sessions_of(self, node: Node) -> int:
        """How many sessions the database still has for a node."""
        found: int = await self.pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE client_addr = $1::text::inet",
            node.machine.address,
        )
        return found


async def _get(session: aiohttp.ClientSession, url: str) -> str | None:
    """The text of a 200; None for anything else."""
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=3.0)) as answer:
            return await answer.text() if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None


@asynccontextmanager
async def built(
    made: Mapping[str, Machine], folder: Path, settings: Mapping[str, str]
) -> AsyncIterator[Cluster]:
    """Everything runs while the block lasts. To be called on the machine `outside`.

    settings: options of linegate.
    """
    async with AsyncExitStack() as stack:
        dsn = await _database(stack, made["db"], folder)
        outside = made["outside"].address
        env = _environment(folder, dsn, f"http://{outside}:8090", settings)
        nodes = {
            name: Node(machine, env, folder)
            for name, machine in made.items()
            if name not in ("db", "outside")
        }
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        front = Front(session, nodes)
        await _listening(stack, front, outside)
        line = await _line(stack, outside)
        await _set_up(made["outside"], folder, env, line)
        pool = await stack.enter_async_context(
            asyncpg.create_pool(dsn, min_size=1, max_size=2, timeout=10)
        )
        await pool.execute(
            "UPDATE sender_pace SET per_second = $1 FROM sender"
            " WHERE sender.id = sender_id AND name = 'SLOW'",
            SLOW_RATE,
        )
        cluster = Cluster(nodes, made["db"], made["outside"], line, front, session, pool)
        for node in nodes.values():
            stack.push_async_callback(node.machine.kill)
            await node.start()
        await cluster.until_ready()
        yield cluster


async def _database(stack: AsyncExitStack, machine: Machine, folder: Path) -> str:
    program = str(Path(__file__).with_name("network_database.py"))
    log = folder / "database.log"
    process = await machine.start(
        *(sys.executable, program, str(folder), machine.address, NETWORK),
        env=dict(os.environ),
        log=log,
        piped=True,
    )
    stack.push_async_callback(_ended, process)
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), _STARTS_WITHIN)
    if not line:
        raise ClusterError(f"the database did not start:\n{log.read_text()[-2000:]}")
    return line.decode().strip()


async def _ended(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


async def _listening(stack: AsyncExitStack, front: Front, address: str) -> None:
    application = web.Application()
    application.router.add_post("/line/webhook/{sender}", front.relay)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, address, 8081).start()


async def _line(stack: AsyncExitStack, address: str) -> RunningSimulator:
    channels = tuple(
        ChannelSettings(
            id_,
            _SECRET,
            access_token=f"token of {name}",
            webhook_url=f"http://{address}:8081/line/webhook/{name}",
            redelivery=True,
        )
        for name, id_ in CHANNELS.items()
    )
    smpp = socket.create_server((address, 2775))
    settings = SimulatorSettings(channels=channels, smpp=smpp)
    return await stack.enter_async_context(running(settings, host=address, port=8090))


def _environment(
    folder: Path, dsn: str, line_url: str, settings: Mapping[str, str]
) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LINEGATE_")}
    given = {
        "home": str(folder / "home"),
        "database_url": dsn,
        "secret_key": base64.b64encode(bytes(range(32))).decode(),
        "line_api_url": line_url,
        "webhook_allow_private": "1",
        "log_format": "json",
        "log_attempts": "0",
        **settings,
    }
    return {**kept, **{f"LINEGATE_{name.upper()}": value for name, value in given.items()}}


async def _set_up(
    machine: Machine, folder: Path, env: Mapping[str, str], line: RunningSimulator
) -> None:
    declared: list[str] = [
        "[[accounts]]",
        'name = "shop"',
        f'webhook = "{line.url}/subscriber/shop"',
        "[[accounts.keys]]",
        'name = "shop"',
        'key = { env = "SHOP_KEY" }',
        "[[accounts.sms_routes]]",
        'name = "smsc"',
        'url = { env = "SHOP_SMS" }',
        'default_sender = "Shop"',
    ]
    for name, id_ in CHANNELS.items():
        declared += [
            "[[accounts.senders]]",
            f'name = "{name}"',
            f'channel_id = "{id_}"',
            'channel_secret = { env = "SHOP_SECRET" }',
            f'access_token = {{ env = "SHOP_TOKEN_{name}" }}',
        ]
    file = folder / "shop.toml"
    file.write_text("\n".join(declared) + "\n")
    secrets = {
        "SHOP_KEY": KEY,
        "SHOP_SECRET": _SECRET,
        **{f"SHOP_TOKEN_{name}": f"token of {name}" for name in CHANNELS},
        "SHOP_SMS": f"smpp://shop:shop@{machine.address}:2775?window=20&throughput=10",
    }
    log = folder / "set-up.log"
    process = await machine.start(
        *(sys.executable, "-m", "linegate", "apply", str(file)), env={**env, **secrets}, log=log
    )
    if await process.wait():
        raise ClusterError(f"could not be set up:\n{log.read_text()[-2000:]}")
