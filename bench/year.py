"""Ten million messages of a year: every page, list, figure and chore, with its time.

`make bench-year`. Fills a database in a temporary folder, or in --home, which it then keeps and
uses again the next time. Exits with 1 if a page takes longer than a tenth of a second.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop
from year_chores import measure_chores
from year_fill import ACCOUNTS, fill
from year_pages import Asking, Took, measure_pages

from linegate.clock import SystemClock
from linegate.logs import set_up
from linegate.postgres.directory import find_account
from linegate.postgres.store import open_store


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _fill(home: Path, messages: int, days: int) -> None:
    async with open_store(
        home=home, database_url=None, secret_key=None, clock=SystemClock(), connections=3
    ) as store:
        async with store.pool.acquire() as conn:
            if await find_account(conn, ACCOUNTS[0]) is not None:
                return
        began = time.monotonic()
        await fill(store, messages, days, _say)
        _say(f"{messages} messages in {time.monotonic() - began:.0f} s")


async def _measure(home: Path, ask: Asking, parts: str, backup: Path) -> int:
    """How many pages are too slow."""
    slow: list[Took] = []
    began = time.perf_counter()
    async with open_store(
        home=home, database_url=None, secret_key=None, clock=SystemClock(), connections=1
    ) as store:
        _say(f"the database is open after {time.perf_counter() - began:.2f} s")
        if "pages" in parts:
            slow = await measure_pages(home, store.dsn, ask)
        if "chores" in parts:
            await measure_chores(home, store, _say, backup=backup if "backup" in parts else None)
    _say(f"{len(slow)} are too slow: " + ", ".join(each.name for each in slow))
    return len(slow)


@contextlib.contextmanager
def _folder(home: Path | None) -> Iterator[Path]:
    if home is not None:
        yield home
        return
    with tempfile.TemporaryDirectory(prefix="linegate-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # started by root, the database runs as another user
        yield folder / "home"


def main() -> int:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--home", type=Path, help="LINEGATE_HOME of the database, kept")
    parser.add_argument("--rounds", type=int, default=20, help="how often each page is asked for")
    parser.add_argument("--only", default="", help="a pattern of pages, like user: bulk")
    parser.add_argument("--parts", default="pages,chores,backup", help="chores change it")
    options = parser.parse_args()
    set_up(level="warning", form="console")
    with _folder(options.home) as home:
        uvloop.run(_fill(home, options.messages, options.days))
        ask = Asking(_say, options.rounds, options.only)
        backup = home.with_name(home.name + "-backup")
        slow = uvloop.run(_measure(home, ask, options.parts, backup))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
