"""A backup taken while the server runs is a whole database again in another home."""

import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from linegate.clock import SystemClock
from linegate.postgres import embedded
from linegate.postgres.embedded import EmbeddedError
from linegate.postgres.embedded_backup import backup_to, restore_from


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket, which the server's account may pass."""
    made = Path(tempfile.mkdtemp(prefix="lg-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


async def test_what_was_committed_before_a_backup_is_there_after_the_restore(folder: Path) -> None:
    home, other, file = folder / "a", folder / "b", folder / "copy.tar"
    server = await embedded.start(home)
    try:
        conn = await asyncpg.connect(server.dsn)
        await conn.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        assert await backup_to(home, file, clock=SystemClock()) > 1_000_000
        await conn.execute("INSERT INTO kept VALUES (1001)")
        await conn.close()
        with pytest.raises(FileExistsError):
            await backup_to(home, file, clock=SystemClock())
        with pytest.raises(EmbeddedError, match="move it away"):
            restore_from(home, file)
    finally:
        await server.stop()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    restore_from(other, file)
    restored = await embedded.start(other)
    try:
        conn = await asyncpg.connect(restored.dsn)
        assert await conn.fetchval("SELECT count(*) FROM kept") == 1000
        await conn.close()
    finally:
        await restored.stop()


def test_a_file_that_is_no_backup_is_refused(folder: Path) -> None:
    file, home = folder / "copy.tar", folder / "a"
    file.write_bytes(b"not a tar file")
    with pytest.raises(EmbeddedError):
        restore_from(home, file)
    assert not (home / "postgres" / "data").exists()
