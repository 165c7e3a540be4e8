"""Machines of a cluster are cut off, killed and frozen under load: the short form of
`make cluster-test`."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "bench" / "cluster.py"


@pytest.mark.skipif(shutil.which("ip") is None, reason="this machine lacks iproute2")
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces want root")
async def test_nodes_that_fail_lose_nothing_and_break_no_limit() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), "--quick", stdout=PIPE, stderr=STDOUT
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
