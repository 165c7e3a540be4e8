"""Machines of a cluster are cut off, killed and frozen under load: the short form of
`make cluster-test`. The programs are those of bench/, which also run without this suite."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"

pytestmark = [
    pytest.mark.skipif(shutil.which("ip") is None, reason="this machine lacks iproute2"),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces want root"),
]


async def ran(program: str, *arguments: str) -> tuple[int | None, str]:
    """The exit code of one of the programs, and what it told."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(BENCH / program), *arguments, stdout=PIPE, stderr=STDOUT
    )
    told, _ = await process.communicate()
    return process.returncode, told.decode()


async def test_nodes_that_fail_lose_nothing_and_break_no_limit() -> None:
    code, told = await ran("cluster.py", "--quick")
    assert code == 0, told


async def test_a_request_that_was_given_up_does_not_arrive_when_the_network_is_back() -> None:
    code, told = await ran("late_request.py")
    assert code == 0, told
