"""Copies the embedded database while it runs, and puts a copy back where there is none.

The copy is the files of the whole server with the log that makes them consistent, as one tar file
(pg_basebackup). A dump would hold a snapshot open for as long as it takes, which slows the queue.
"""

import asyncio
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from linegate.clock import Clock
from linegate.postgres import embedded
from linegate.postgres.embedded_host import (
    Account,
    EmbeddedError,
    account_for,
    home_made,
    programs_for,
)
from linegate.postgres.embedded_running import running_server

__all__ = ["backup_to", "restore_from"]

_PATIENCE = 6 * 3600.0  # seconds
_FRESH = "data.restored"


async def backup_to(home: Path, file: Path, *, clock: Clock) -> int:
    """Write a copy of this home's database; gives its bytes. The file is for this user alone.

    Raises: EmbeddedError with what pg_basebackup said; FileExistsError if the file exists.
    """
    server = await embedded.start(home, clock=clock)
    try:
        return await asyncio.to_thread(_write, home, server, file)
    finally:
        await server.stop()


def _write(home: Path, server: embedded.EmbeddedServer, file: Path) -> int:
    """The copy, whole or not at all, and never over another file."""
    account = account_for(server.data)
    program = programs_for(account, home) / "pg_basebackup"
    command = [str(program), "--dbname", server.admin_dsn, "--pgdata=-", "--format=tar"]
    options = ["--wal-method=fetch", "--checkpoint=fast", "--no-password"]
    partial = file.with_name(file.name + ".partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(partial, flags, 0o600), "wb") as out:
        try:
            _streamed(account, [*command, *options], into=out)
            out.flush()
            os.fsync(out.fileno())
            os.link(partial, file)
        finally:
            partial.unlink()
    return file.stat().st_size


def restore_from(home: Path, file: Path) -> None:
    """Put a copy where this home has no database; the next start makes it consistent.

    Raises: EmbeddedError if there is a database already or the copy cannot be read.
    """
    account = account_for(home / "postgres" / "data")
    home = home_made(home, account)
    base, data = home / "postgres", home / "postgres" / "data"
    if data.exists():
        running = running_server(data)
        state = "runs" if running is not None else "exists"
        raise EmbeddedError(f"{data} {state}: move it away first; nothing was changed")
    if not base.exists():
        base.mkdir(mode=0o700)
        if account.switch:
            os.chown(base, account.uid, account.gid, follow_symlinks=False)
    fresh = base / _FRESH
    _streamed(account, ["/bin/sh", "-ec", 'rm -rf "$1"; mkdir -m 700 "$1"', "sh", str(fresh)])
    with file.open("rb") as source:
        _streamed(account, ["tar", "--extract", "--directory", str(fresh)], source=source)
    if not _holds(account, fresh / "PG_VERSION"):
        raise EmbeddedError(f"{file} is no copy of a database")
    _streamed(account, ["mv", str(fresh), str(data)])


def _holds(account: Account, path: Path) -> bool:
    return _run(account, ["/bin/sh", "-c", 'test -s "$0"', str(path)]).returncode == 0


def _streamed(
    account: Account,
    command: Sequence[str],
    *,
    source: IO[bytes] | None = None,
    into: IO[bytes] | None = None,
) -> None:
    answer = _run(account, command, source=source, into=into)
    if answer.returncode:
        said = answer.stderr.decode(errors="replace").strip()
        raise EmbeddedError(f"{Path(command[0]).name} failed: {said}")


def _run(
    account: Account,
    command: Sequence[str],
    *,
    source: IO[bytes] | None = None,
    into: IO[bytes] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - fixed programs, no shell text from outside
        list(command),
        stdin=source or subprocess.DEVNULL,
        stdout=into or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=_PATIENCE,
        cwd="/",
        env={"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        umask=0o077,
        check=False,
        user=account.uid if account.switch else None,
        group=account.gid if account.switch else None,
        extra_groups=[] if account.switch else None,
    )
