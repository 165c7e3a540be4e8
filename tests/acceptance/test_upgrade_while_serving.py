"""An old version serves while a newer one migrates its database; then both serve; nothing is lost.

The old version is this program. The newer one is a copy of its source with one more migration,
which does to the busiest tables what migrations may do (docs/howto/back-up-and-upgrade.md): so the
test needs no history, of which a tarball has none.
"""

import asyncio
import shutil
from pathlib import Path

import asyncpg

import linegate
from linegate.postgres.migrate import MIGRATIONS_FOLDER, migrations_in
from support.fleet import A_REQUEST, a_site, send_on
from support.program import free_port

SOURCE = Path(linegate.__file__).parent

# New columns with a default, an index, a table and a trigger on what is written all the time.
NEXT = """
ALTER TABLE message_object ADD COLUMN colour text NOT NULL DEFAULT 'green';
ALTER TABLE queue ADD COLUMN colour text NOT NULL DEFAULT 'green';
ALTER TABLE final ADD COLUMN colour text;
CREATE INDEX final_colour ON final (colour) WHERE colour IS NOT NULL;
CREATE TABLE painted (message_id bigint PRIMARY KEY);
CREATE FUNCTION paint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO painted SELECT message_id FROM new_rows ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER painted AFTER INSERT ON final REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION paint();
"""


def newer_version(folder: Path) -> Path:
    """A copy of the source whose database has one migration more."""
    copy = folder / "newer" / "linegate"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    migrations = copy / MIGRATIONS_FOLDER.relative_to(SOURCE)
    (migrations / f"{len(migrations_in()) + 1:04}_colours.sql").write_text(NEXT)
    return copy.parent


async def test_old_processes_serve_while_a_newer_one_migrates_and_then_beside_it(
    database_url: str,
) -> None:
    newer_port, worker, newer_worker = (free_port() for _ in range(3))
    async with a_site(database_url) as site:
        roles, shop, apis = site.roles, site.shop, [site.api]
        newer = newer_version(roles.home.parent)
        await roles.worker(worker)
        stopping = asyncio.Event()
        sending = asyncio.create_task(send_on(shop, apis, stopping))
        await shop.has_asked(3 * A_REQUEST)
        assert await painted(database_url) is None
        await roles.worker(newer_worker, source=newer)  # it migrates before it is ready
        assert await painted(database_url) is not None
        apis.append(await roles.api(newer_port, source=newer))
        before = await shop.asked()
        await shop.has_asked(before + 5 * A_REQUEST)  # both take requests, both send
        stopping.set()
        sent = await sending
        books = await shop.books(apis[1], len(sent), within=90)
        assert books.show_each_once(sent), books
        ended = await painted(database_url)
        assert ended is not None
        assert 0 < ended <= len(sent)  # old processes obey the newer schema
        for process in roles.running:  # LINE's events came to the old API until now
            assert await roles.stop(process) == 0


async def painted(dsn: str) -> int | None:
    """How many messages ended after the migration; None before it."""
    conn = await asyncpg.connect(dsn)
    try:
        if await conn.fetchval("SELECT to_regclass('painted')") is None:
            return None
        return int(await conn.fetchval("SELECT count(*) FROM painted"))
    finally:
        await conn.close()
