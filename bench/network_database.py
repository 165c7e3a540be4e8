"""A PostgreSQL that listens on an address: `network_database.py FOLDER ADDRESS NETWORK`.

For the machines of `cluster.py`. It trusts everybody in NETWORK and syncs nothing; it ends when
its standard input does.
"""

import asyncio
import sys
from pathlib import Path

from linegate.postgres.embedded import start
from linegate.postgres.embedded_settings import ACCESS_RULES

_SETTINGS = {"fsync": "off", "max_connections": "150", "max_wal_size": "1GB"}


async def main(folder: Path, address: str, network: str) -> None:
    """Start, say the URL, and stop at the end of standard input."""
    rules = folder / "pg_hba.conf"
    rules.write_text(ACCESS_RULES + f"host linegate linegate {network} trust\n")
    rules.chmod(0o644)
    listening = {"listen_addresses": address, "hba_file": str(rules)}
    server = await start(folder / "database", settings={**_SETTINGS, **listening})
    try:
        sys.stdout.write(f"postgresql://linegate@{address}/linegate\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await server.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
