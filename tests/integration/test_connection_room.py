"""The embedded server has connections enough; another server that has too few is told of."""

import shutil
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from linegate.cli.doctor import examine
from linegate.clock import SystemClock
from linegate.config import Settings, load
from linegate.postgres.store import Store
from linegate.service import opened_store


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="linegate-home-"))  # open to the server's account
    folder.chmod(0o755)
    yield folder / "home"
    shutil.rmtree(folder)


async def test_the_embedded_server_has_room_for_as_many_workers_as_are_asked_for(
    home: Path,
) -> None:
    settings = load(environment={}, overrides={"home": str(home), "workers": 8})
    assert settings.connections_of_all > 60
    with capture_logs() as lines:
        async with _opened(settings) as store, store.pool.acquire() as conn:
            assert int(await conn.fetchval("SHOW max_connections")) > settings.connections_of_all
    assert "database.crowded" not in [line["event"] for line in lines]


@pytest.mark.parametrize(("workers", "fits"), [(1, True), (64, False)])
async def test_an_external_server_that_is_too_small_is_told_of(
    database_url: str, workers: int, fits: bool
) -> None:
    key = b64encode(bytes(32)).decode()
    settings = load(
        environment={"LINEGATE_DATABASE_URL": database_url, "LINEGATE_SECRET_KEY": key},
        overrides={"workers": workers},
    )
    with capture_logs() as lines:
        async with _opened(settings) as store:
            found = [each async for each in examine(store, settings, with_line=False)]
    crowded = [line for line in lines if line["event"] == "database.crowded"]
    (told,) = [each for each in found if each.what == "connections"]
    assert told.is_good is fits
    assert (crowded == []) is fits
    assert fits or "raise max_connections" in told.words
    assert fits or crowded[0]["wanted"] == settings.connections_of_all > crowded[0]["allowed"]


def _opened(settings: Settings) -> AbstractAsyncContextManager[Store]:
    return opened_store(
        settings,
        SystemClock(),
        connections=2,
        application="linegate up",
        wanted=settings.connections_of_all,
    )
