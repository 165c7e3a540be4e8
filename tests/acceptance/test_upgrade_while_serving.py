"""An old version serves while a newer one migrates its database; then both serve; nothing is lost.

The old version is this program. The newer one is a copy of its source with one more migration,
which does to the busiest tables what migrations may do (docs/howto/back-up-and-upgrade.md): so the
test needs no history, of which a tarball has none.
"""

import asyncio
import base64
import shutil
from pathlib import Path

import asyncpg

import linegate
from linegate.postgres.migrate import MIGRATIONS_FOLDER, migrations_in
from support.fleet import A_REQUEST, fleet, send_on
from support.program import Program, free_port, home_folder
from support.shop import Shop, simulated_line

KEY = base64.b64encode(bytes(range(32))).decode()
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
    port, newer_port, worker, newer_worker = (free_port() for _ in range(4))
    with home_folder() as home:
        newer = newer_version(home.parent)
        async with simulated_line(port) as line:
            settings = {
                "database_url": database_url,
                "secret_key": KEY,
                "line_api_url": line.url,
                "webhook_allow_private": "1",
            }
            async with fleet(home, **settings) as roles:
                process = await roles.start("api", "--port", str(port), probes=port)
                old = Program(f"http://127.0.0.1:{port}", process, home, [])
                await roles.worker(worker)
                shop = await Shop.open(home, line, **settings)
                stopping, apis = asyncio.Event(), [old]
                sending = asyncio.create_task(send_on(shop, apis, stopping))
                await shop.has_asked(3 * A_REQUEST)
                assert await painted(database_url) is None
                await roles.worker(newer_worker, source=newer)  # it migrates before it is ready
                assert await painted(database_url) is not None
                process = await roles.start(
                    "api", "--port", str(newer_port), probes=newer_port, source=newer
                )
                apis.append(Program(f"http://127.0.0.1:{newer_port}", process, home, []))
                before = await shop.asked()
                await shop.has_asked(before + 5 * A_REQUEST)  # both take requests, both send
                stopping.set()
                sent = await sending
                told = await shop.is_told(len(sent), within=90)
                pulled = await shop.pull(apis[1])
                assert told["byStatus"] == {"DELIVERED_TO_HANDSET": len(sent)}
                assert told["duplicates"] == 0
                assert set(pulled) == set(sent)
                assert set(pulled.values()) == {1}
                assert await shop.asked() == len(sent)  # no attempt was made twice
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
