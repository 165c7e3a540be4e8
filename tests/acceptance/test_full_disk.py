"""A disk that is nearly full: nothing more is taken, nothing that was taken is lost."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from support.gateway import a_request
from support.program import Program, free_port, home_folder, program
from support.shop import Shop, simulated_line
from support.waiting import until

MEGABYTE = 1024 * 1024
DISK = 1024 * MEGABYTE
RESERVE = 256 * MEGABYTE


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """A home on a disk of its own, of 1 GB."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs to be root, to mount a small disk")
    with home_folder() as home:
        home.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0711", "tmpfs", str(home)],
            check=False,
        )
        if mounted.returncode:
            pytest.skip("may not mount a small disk")
        try:
            yield home / "home"
        finally:
            subprocess.run(["umount", "--lazy", str(home)], check=True)


async def asked(up: Program, shop: Shop, number: str) -> tuple[int, str | None]:
    """Send one message: the status, and Retry-After."""
    headers = {"Authorization": f"App {shop.key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            up.url + "/line/1/messages", headers=headers, json=a_request(number)
        ) as answer,
    ):
        return answer.status, answer.headers.get("Retry-After")


async def test_nearly_full_disk_is_503_with_retry_after_until_there_is_room() -> None:
    port = free_port()
    with small_disk() as home:
        async with simulated_line(port) as line:
            settings = {
                "line_api_url": line.url,
                "webhook_allow_private": "1",
                "disk_reserve": str(RESERVE),
            }
            async with program(home, port=port, **settings) as up:
                shop = await Shop.open(home, line, **settings)
                taken = len(await shop.send(up, "819010000000"))
                ballast = home.parent / "ballast"
                with ballast.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(home).free - RESERVE)

                async def is_full() -> bool:
                    nonlocal taken
                    status, retry_after = await asked(up, shop, "819010000001")
                    taken += status == 200
                    return (status, retry_after) == (503, "30")

                await until(is_full, within=20, every=0.2)
                await shop.is_told(taken, within=30)  # what was taken goes on to its report
                ballast.unlink()

                async def has_room() -> bool:
                    status, _ = await asked(up, shop, "819010000002")
                    return status == 200

                await until(has_room, within=20, every=0.2)
                told = await shop.is_told(taken + 1, within=30)
                assert told["byStatus"] == {"DELIVERED_TO_HANDSET": taken + 1}
                assert await up.end() == 0
