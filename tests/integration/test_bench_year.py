"""The bench of a year, in small: every page and list of a full installation answers."""

import asyncio
import re
import sys
from pathlib import Path

YEAR = Path(__file__).parents[2] / "bench" / "year.py"
LINE = re.compile(r"^(operator|user|key): (.+?) +(\d{3}) +\d+ B ")


async def test_every_page_of_a_filled_installation_answers() -> None:
    """How long they take is for the bench itself; a slow one makes it exit with 1."""
    asked = ("--messages", "5000", "--days", "2", "--rounds", "1")
    bench = await asyncio.create_subprocess_exec(
        sys.executable,
        str(YEAR),
        *asked,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await bench.communicate()
    text = out.decode()
    pages = [found.groups() for line in text.splitlines() if (found := LINE.match(line))]
    assert bench.returncode in (0, 1), text
    assert "Traceback" not in text, text
    assert len(pages) > 120, text
    assert {status for _, _, status in pages} == {"200"}, text
    assert "retention: the oldest day" in text, text
