"""The PostgreSQL that comes with linegate: a real server below LINEGATE_HOME.

`start` runs it, or joins the one that already runs for this home: started by another linegate
command, or left behind by one that was killed. Whoever leaves last stops it. Two lock files in the
home arrange this, and both vanish with the process that holds them:

    postgres.lock    held alone while somebody starts or stops the server
    postgres.users   held together by everyone who uses it

The server listens on a Unix socket only, in a folder that only its own account (and root) may
enter, and asks the kernel who is calling (peer): there is no password to keep or to lose.
"""

import asyncio
import fcntl
import os
import re
import shlex
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import quote

import asyncpg

from linegate.clock import Clock, SystemClock
from linegate.postgres.embedded_host import (
    Account,
    EmbeddedError,
    account_for,
    home_made,
    processes_in,
    programs_for,
    run,
)
from linegate.postgres.embedded_running import running_server
from linegate.postgres.embedded_settings import ACCESS_RULES, server_settings, user_map

__all__ = ["EmbeddedError", "EmbeddedServer", "start"]

Result = TypeVar("Result")

_START_PATIENCE = timedelta(seconds=300)  # crash recovery of a busy server takes minutes
_ORPHAN_PATIENCE = timedelta(seconds=60)
_STOP_SECONDS = 60
_PORT = 5432  # names the socket file; no TCP port is opened
_SOCKET_PATH_BYTES = 107  # sun_path of Linux, less its closing zero
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")
_NO_SUCH_PROCESS = 99_999_999  # above the highest process id of Linux (2^22)

_FIRST = (
    "CREATE ROLE linegate LOGIN\n"
    "GRANT pg_read_all_stats TO linegate\n"  # else the transactions of others have no age
    "CREATE DATABASE linegate OWNER linegate TEMPLATE template0\n"
)


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Where one home's server lives and how its programs are run."""

    home: Path
    account: Account
    programs: Path

    @property
    def base(self) -> Path:
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        return self.base / "data"

    def shell(self, script: str, *arguments: Path | str, text: str = "") -> None:
        """Run a shell script as the server's account. Raises: EmbeddedError if it fails."""
        words = [str(argument) for argument in arguments]
        answer = run(self.account, ["/bin/sh", "-ec", script, "sh", *words], text=text)
        if answer.returncode:
            raise EmbeddedError(f"{self.base}: {answer.stderr.strip()}")

    def program(self, name: str, *arguments: str, text: str = "", timeout: float = 60.0) -> None:
        """Run one of PostgreSQL's programs. Raises: EmbeddedError with what it said."""
        answer = run(
            self.account, [str(self.programs / name), *arguments], text=text, timeout=timeout
        )
        if answer.returncode:
            said = (answer.stderr.strip() + "\n" + answer.stdout.strip()).strip()
            raise EmbeddedError(f"{name} failed: {said}")


class EmbeddedServer:
    """A running server that this process uses until `stop`.

    dsn:       the database `linegate` as its owner: what the product connects to.
    admin_dsn: the database `postgres` as superuser: for tests and repairs.
    """

    def __init__(
        self,
        cluster: _Cluster,
        socket_folder: Path,
        use: IO[str],
        clock: Clock,
        *,
        runtime_folder: Path | None,
        settings: Mapping[str, str],
    ) -> None:
        self.dsn = _dsn("linegate", "linegate", socket_folder)
        self.admin_dsn = _dsn("postgres", "postgres", socket_folder)
        self.data = cluster.data
        self._cluster = cluster
        self._use = use
        self._clock = clock
        self._runtime_folder = runtime_folder
        self._settings = dict(settings)

    async def ensure_running(self) -> bool:
        """Start the server again if it has died, with crash recovery; whether it had.

        Raises: as `start` does.
        """
        running = running_server(self._cluster.data)
        if running is not None or self._use.closed:
            return False
        async with _alone(self._cluster.home, self._clock):
            await _until_orphans_ended(self._cluster, self._clock)
            await _to_the_end(
                lambda: _bring_up(self._cluster, self._runtime_folder, self._settings)
            )
            await _until_ready(self._cluster, self._clock)
        return True

    async def stop(self) -> None:
        """Leave the server; it is shut down (fast) if nobody else uses it. Twice is harmless.

        Raises: EmbeddedError if it does not stop within a minute.
        """
        if self._use.closed:
            return
        async with _alone(self._cluster.home, self._clock):
            await _to_the_end(lambda: _leave(self._cluster, self._use))


async def start(
    home: Path,
    *,
    clock: Clock | None = None,
    runtime_folder: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> EmbeddedServer:
    """Start the server of this home, or join it; returns when it answers.

    home:           made if missing (0700; 0711 when root makes it).
    runtime_folder: a short private folder for the socket if the home's path is too long for one
                    (XDG_RUNTIME_DIR); /tmp by default.
    settings:       server settings that differ from ours; ignored when the server already runs.
    Raises:         EmbeddedError saying what to do; TimeoutError if another command has been
                    starting it for more than five minutes.
    """
    clock = clock or SystemClock()
    cluster = await _to_the_end(lambda: _cluster_at(home))
    async with _alone(cluster.home, clock):
        use = _open_lock(cluster.home / "postgres.users")
        fcntl.flock(use, fcntl.LOCK_SH)
        try:
            await _until_orphans_ended(cluster, clock)
            socket_folder = await _to_the_end(
                lambda: _bring_up(cluster, runtime_folder, dict(settings or {}))
            )
            server = EmbeddedServer(
                cluster,
                socket_folder,
                use,
                clock,
                runtime_folder=runtime_folder,
                settings=settings or {},
            )
            await _until_ready(cluster, clock)
            await _ask(server.dsn)
        except BaseException:
            # Cancelled, or failed half-way: nothing may be left running that nobody uses.
            await _to_the_end(lambda: _leave(cluster, use))
            raise
    return server


def _cluster_at(home: Path) -> _Cluster:
    account = account_for(home / "postgres" / "data")
    home = home_made(home, account)
    return _Cluster(home, account, programs_for(account, home))


def _bring_up(cluster: _Cluster, runtime_folder: Path | None, settings: dict[str, str]) -> Path:
    """Make the cluster if there is none, start it if it does not run; the socket's folder."""
    if not cluster.base.exists():
        cluster.base.mkdir(mode=0o700)
        if cluster.account.switch:
            os.chown(cluster.base, cluster.account.uid, cluster.account.gid, follow_symlinks=False)
    cluster.shell('mkdir -p "$1/log" "$1/run"', cluster.base)
    if not cluster.data.exists():
        _initialise(cluster)
    _refuse_other_version(cluster)
    running = running_server(cluster.data)
    if running is not None and not running.is_stopping:
        return running.socket_folder
    if running is not None:
        _shut_down(cluster)
    socket_folder = _socket_folder(cluster, runtime_folder)
    _disown_recycled_process(cluster, socket_folder)
    cluster.shell('cat > "$1/pg_hba.conf"', cluster.data, text=ACCESS_RULES)
    cluster.shell('cat > "$1/pg_ident.conf"', cluster.data, text=user_map(cluster.account.name))
    _launch(cluster, {**server_settings(socket_folder), **settings})
    return socket_folder


def _leave(cluster: _Cluster, use: IO[str]) -> None:
    """Give up our use and stop the server if that was the last one. Needs `postgres.lock`."""
    use.close()
    with _open_lock(cluster.home / "postgres.users") as probe:
        if _locked(probe) and running_server(cluster.data) is not None:
            _shut_down(cluster)


def _initialise(cluster: _Cluster) -> None:
    """initdb, our role and our database; the folder gets its name only when all is done."""
    fresh = cluster.data.with_name("data.new")
    cluster.shell('rm -rf "$1"', fresh)
    cluster.program(
        "initdb",
        f"--pgdata={fresh}",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--auth-local=peer",
        "--auth-host=reject",
        "--set=timezone=UTC",
        "--set=log_timezone=UTC",
        "--no-instructions",
        timeout=300.0,
    )
    # One line is one statement here; without exit_on_error a failure would pass for success.
    single = ("--single", "-c", "exit_on_error=on", "-D", str(fresh), "postgres")
    cluster.program("postgres", *single, text=_FIRST)
    cluster.shell('sync -f "$1" || sync; mv "$1" "$2"', fresh, cluster.data)


def _launch(cluster: _Cluster, settings: Mapping[str, str]) -> None:
    report = cluster.base / "log" / "startup.log"
    cluster.shell('rm -f "$1"', report)
    options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
    seconds = int(_START_PATIENCE.total_seconds())
    try:
        cluster.program(
            "pg_ctl",
            *("start", "-w", "-s", "-t", str(seconds), "-D", str(cluster.data)),
            *("-l", str(report), "-o", options),
            timeout=seconds + 30.0,
        )
    except EmbeddedError as error:
        newest = 'cd "$0" && tail -q -n 8 $(ls -t *.log | head -n 2)'
        said = run(cluster.account, ["/bin/sh", "-c", newest, str(report.parent)]).stdout
        raise EmbeddedError(f"{error}\n{said}The files are in {report.parent}") from error


def _shut_down(cluster: _Cluster) -> None:
    cluster.program(
        "pg_ctl",
        *("stop", "-m", "fast", "-w", "-s", "-t", str(_STOP_SECONDS), "-D", str(cluster.data)),
        timeout=_STOP_SECONDS + 10.0,
    )


def _refuse_other_version(cluster: _Cluster) -> None:
    made_by = (cluster.data / "PG_VERSION").read_text().strip()
    answer = run(cluster.account, [str(cluster.programs / "postgres"), "--version"]).stdout
    if f" {made_by}." not in answer:
        raise EmbeddedError(
            f"{cluster.data} was made by PostgreSQL {made_by}, this linegate brings"
            f" {answer.strip()}: dump it with the old version and restore it with this one"
        )


def _disown_recycled_process(cluster: _Cluster, socket_folder: Path) -> None:
    """Let the server start although its stale lock files name some other live process.

    Common after a container was restarted, or where nobody reaps the dead. postmaster.pid keeps
    its other lines, by which the server makes sure that no orphan of its former self is at work.
    """
    stale = cluster.data / "postmaster.pid"
    if stale.exists():
        cluster.shell(f"sed -i '1s/.*/{_NO_SUCH_PROCESS}/' \"$1\"", stale)
    cluster.shell('rm -f "$1" "$1.lock"', socket_folder / f".s.PGSQL.{_PORT}")


async def _until_orphans_ended(cluster: _Cluster, clock: Clock) -> None:
    """After the main process was killed its others end by themselves, but not at once."""
    last = clock.now() + _ORPHAN_PATIENCE
    while running_server(cluster.data) is None and (orphans := processes_in(cluster.data)):
        if clock.now() > last:
            raise EmbeddedError(f"processes {orphans} of a killed server still use {cluster.data}")
        await clock.sleep_until(clock.now() + timedelta(milliseconds=50))


def _socket_folder(cluster: _Cluster, runtime_folder: Path | None) -> Path:
    """`HOME/postgres/run`, or a short folder of stable name if that path is too long."""
    usual = cluster.base / "run"
    if _fits_a_socket(usual):
        return usual
    # As root, the user's runtime folder is closed to the server's account.
    parent = runtime_folder if runtime_folder and not cluster.account.switch else Path("/tmp")  # noqa: S108 - made 0700 and checked
    folder = parent / f"linegate-{sha256(os.fsencode(cluster.home)).hexdigest()[:16]}"
    if not _fits_a_socket(folder):
        raise EmbeddedError(f"no path short enough for a socket: {usual}, {folder}")
    cluster.shell('[ -d "$1" ] || mkdir -m 700 "$1"', folder)
    found = folder.lstat()
    if not folder.is_dir() or found.st_uid != cluster.account.uid or found.st_mode & 0o077:
        raise EmbeddedError(f"{folder} is not a private folder of {cluster.account.name!r}")
    if folder.is_symlink():
        raise EmbeddedError(f"{folder} is a link, not a folder")
    return folder


def _fits_a_socket(folder: Path) -> bool:
    path = f"{folder}/.s.PGSQL.{_PORT}"
    return len(os.fsencode(path)) <= _SOCKET_PATH_BYTES and bool(_PLAIN_PATH.fullmatch(path))


async def _until_ready(cluster: _Cluster, clock: Clock) -> None:
    """Wait for a server that somebody else's start left recovering."""
    last = clock.now() + _START_PATIENCE
    while clock.now() < last:
        running = running_server(cluster.data)
        if running is None:
            raise EmbeddedError(f"the server ended while it started; see {cluster.base / 'log'}")
        if running.is_ready:
            return
        await clock.sleep_until(clock.now() + timedelta(milliseconds=100))
    raise EmbeddedError(f"the server has not become ready; see {cluster.base / 'log'}")


async def _ask(dsn: str) -> None:
    try:
        connection = await asyncpg.connect(dsn, timeout=30.0)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise EmbeddedError(f"the embedded server runs but does not answer: {error!r}") from error
    await connection.close()


@asynccontextmanager
async def _alone(home: Path, clock: Clock) -> AsyncIterator[None]:
    """Hold `postgres.lock`: nobody else starts or stops this home's server meanwhile."""
    last = clock.now() + _START_PATIENCE
    with _open_lock(home / "postgres.lock") as lock:
        while not _locked(lock):
            if clock.now() > last:
                raise TimeoutError(f"another command holds {home / 'postgres.lock'}")
            await clock.sleep_until(clock.now() + timedelta(milliseconds=50))
        yield


def _open_lock(path: Path) -> IO[str]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+")


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _to_the_end(work: Callable[[], Result]) -> Result:
    """Run blocking work in a thread; if we are cancelled, only after it has ended."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _dsn(role: str, database: str, socket_folder: Path) -> str:
    return f"postgresql://{role}@/{database}?host={quote(str(socket_folder))}&port={_PORT}"
