"""The embedded server: started once, shared, found again after a crash, private, stopped last."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from linegate.postgres.embedded import EmbeddedError, EmbeddedServer, start
from linegate.postgres.embedded_settings import shared_buffers

QUICK = {"fsync": "off"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home that the tests of this file share, one after the other."""
    folder = _folder()
    yield folder / "home"
    shutil.rmtree(folder)


@pytest.fixture
def own_home() -> Iterator[Path]:
    """A home for one test, not made yet."""
    folder = _folder()
    yield folder / "home"
    shutil.rmtree(folder)


def _folder() -> Path:
    # Not tmp_path: as root that is closed to the user whom the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="linegate-home-"))
    folder.chmod(0o755)
    return folder


@asynccontextmanager
async def running(home: Path) -> AsyncIterator[EmbeddedServer]:
    server = await start(home, settings=QUICK)
    try:
        yield server
    finally:
        await server.stop()


async def ask(server: EmbeddedServer, statement: str) -> object:
    connection = await asyncpg.connect(server.dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def process_of(server: EmbeddedServer) -> int:
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


def socket_folder(server: EmbeddedServer) -> Path:
    return Path(parse_qs(urlsplit(server.dsn).query)["host"][0])


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def owner_of(path: Path) -> int:
    return path.stat().st_uid


def is_running(server: EmbeddedServer) -> bool:
    return (server.data / "postmaster.pid").exists()


async def test_data_outlives_a_stop_and_the_second_start_makes_nothing_anew(home: Path) -> None:
    async with running(home) as server:
        await ask(server, "CREATE TABLE kept AS SELECT 7 AS n")
    assert not is_running(server)
    async with running(home) as again:
        assert await ask(again, "SELECT n FROM kept") == 7


async def test_it_is_a_private_utf8_server_without_tcp(home: Path) -> None:
    async with running(home) as server:
        assert await ask(server, "SHOW listen_addresses") == ""
        assert await ask(server, "SHOW timezone") == "UTC"
        assert await ask(server, "SHOW server_encoding") == "UTF8"
        assert await ask(server, "SHOW synchronous_commit") == "on"
        assert await ask(server, "SELECT lower('ÄÉ')") == "äé"
        assert await ask(server, "SELECT NOT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert mode_of(socket_folder(server)) & 0o077 == 0
        assert mode_of(socket_folder(server) / ".s.PGSQL.5432") & 0o077 == 0
        assert mode_of(home) & 0o066 == 0


async def test_fsync_is_on_unless_a_test_says_otherwise(home: Path) -> None:
    server = await start(home)
    try:
        assert await ask(server, "SHOW fsync") == "on"
        assert await ask(server, "SHOW full_page_writes") == "on"
    finally:
        await server.stop()


async def test_whoever_leaves_last_stops_the_server(home: Path) -> None:
    async with running(home) as first:
        async with running(home) as second:
            assert process_of(first) == process_of(second)
        assert await ask(first, "SELECT 1") == 1
    assert not is_running(first)
    await first.stop()  # a second stop is harmless


async def test_starts_at_the_same_time_share_one_server(home: Path) -> None:
    async with asyncio.TaskGroup() as group:
        starts = [group.create_task(start(home, settings=QUICK)) for _ in range(3)]
    servers = [task.result() for task in starts]
    assert len({process_of(server) for server in servers}) == 1
    async with asyncio.TaskGroup() as group:
        for server in servers:
            group.create_task(server.stop())
    assert not is_running(servers[0])


async def test_a_server_left_by_a_killed_linegate_is_used_again(home: Path) -> None:
    story = (
        "import asyncio, os, signal, sys, pathlib\n"
        "from linegate.postgres.embedded import start\n"
        "asyncio.run(start(pathlib.Path(sys.argv[1]), settings={'fsync': 'off'}))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", story, str(home))
    assert await killed.wait() == -signal.SIGKILL
    left = int((home / "postgres/data/postmaster.pid").read_text().splitlines()[0])
    async with running(home) as server:
        assert process_of(server) == left
        assert await ask(server, "SELECT 1") == 1
    assert not is_running(server)


async def test_ctrl_c_does_not_reach_the_server(home: Path) -> None:
    async with running(home) as server:
        assert os.getsid(process_of(server)) != os.getsid(0)
        assert os.getpgid(process_of(server)) != os.getpgid(0)


async def test_after_a_crash_of_the_server_what_was_committed_is_there(home: Path) -> None:
    server = await start(home)
    await ask(server, "CREATE TABLE safe AS SELECT 7 AS n")
    process = process_of(server)
    os.kill(process, signal.SIGKILL)
    await asyncio.to_thread(_until_it_is_gone, Path(f"/proc/{process}/cwd"))
    await server.stop()
    assert is_running(server)  # so its stale pid file says
    async with running(home) as again:
        assert await ask(again, "SELECT n FROM safe") == 7


async def test_a_stale_pid_file_that_names_another_live_process_is_no_obstacle(home: Path) -> None:
    async with running(home) as server:
        lines = (server.data / "postmaster.pid").read_text().splitlines()
    stale = server.data / "postmaster.pid"
    stale.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    shutil.chown(stale, server.data.stat().st_uid)
    async with running(home) as again:
        assert process_of(again) != os.getpid()
        assert await ask(again, "SELECT 1") == 1


async def test_a_home_too_long_for_a_socket_gets_a_short_private_folder(own_home: Path) -> None:
    async with running(own_home / ("x" * 90)) as server:
        folder = socket_folder(server)
        assert not folder.is_relative_to(own_home)
        assert mode_of(folder) == 0o700
    async with running(own_home / ("x" * 90)) as again:
        assert socket_folder(again) == folder
    folder.rmdir()


async def test_a_start_that_is_cancelled_leaves_no_server_behind(home: Path) -> None:
    async with running(home) as server:
        pass
    starting = asyncio.create_task(start(home, settings=QUICK))
    await asyncio.to_thread(_until_it_exists, server.data / "postmaster.pid")
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not is_running(server)


def _until_it_exists(path: Path) -> None:
    subprocess.run(
        ["/bin/sh", "-c", 'until [ -e "$0" ]; do :; done', str(path)], check=True, timeout=30
    )


def _until_it_is_gone(path: Path) -> None:
    subprocess.run(
        ["/bin/sh", "-c", 'while readlink "$0" >/dev/null; do :; done', str(path)],
        check=True,
        timeout=30,
    )


async def test_data_of_another_major_version_is_refused(home: Path) -> None:
    async with running(home) as server:
        pass
    (server.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 17"):
        await start(home)
    (server.data / "PG_VERSION").write_text("18\n")


async def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    with pytest.raises(EmbeddedError, match="shared_buffers"):
        await start(home, settings={"shared_buffers": "many"})


async def test_a_path_that_a_shell_would_read_otherwise_is_refused(home: Path) -> None:
    with pytest.raises(EmbeddedError, match="quote"):
        await start(home / "a$b")


@as_root
async def test_as_root_the_server_runs_as_an_unprivileged_user_who_owns_the_data(
    home: Path,
) -> None:
    async with running(home) as server:
        owner = owner_of(server.data)
        assert owner != 0
        assert owner_of(Path(f"/proc/{process_of(server)}")) == owner
        assert owner_of(home) == 0


@as_root
async def test_as_root_a_home_out_of_the_users_reach_is_an_error_and_stays_as_it_is(
    own_home: Path,
) -> None:
    own_home.mkdir(mode=0o700)  # noqa: ASYNC240
    with pytest.raises(EmbeddedError, match="may not enter"):
        await start(own_home / "inner")
    assert mode_of(own_home) == 0o700
    assert not (own_home / "inner" / "postgres").exists()


def test_the_cache_is_bounded_on_both_sides() -> None:
    assert 128 <= shared_buffers() <= 256
