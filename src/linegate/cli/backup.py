"""Commands: `linegate backup`, `linegate restore`."""

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from linegate.cli.console import JsonFlag, fail, read_settings, run, show
from linegate.clock import SystemClock
from linegate.config import Settings
from linegate.postgres.embedded import EmbeddedError
from linegate.postgres.embedded_backup import backup_to, restore_from

__all__ = ["backup", "restore"]

_KEY = "secret.key"


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    with_key: Annotated[
        bool,
        typer.Option(
            "--with-key/--without-key",
            help="Copy the key that opens the stored secrets to FILE.key.",
        ),
    ] = True,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Copy the embedded database to a file, while everything runs.

    Both files hold what only the operator may have: keep them encrypted, and apart.
    """
    settings = _embedded()
    file = file.absolute()
    key = settings.home / _KEY
    try:
        size = run(backup_to(settings.home, file, clock=SystemClock()))
        if with_key and key.exists():
            _copy_private(key, file.with_name(file.name + ".key"))
    except (EmbeddedError, OSError) as error:
        fail(str(error))
    show({"file": str(file), "bytes": size}, as_json=as_json, plain=str(file))


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `linegate backup` wrote.", exists=True)],
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Put a backup into a home that has no database; FILE.key is put back with it."""
    settings = _embedded()
    kept = file.with_name(file.name + ".key")
    key = settings.home / _KEY
    try:
        if kept.exists() and key.exists() and kept.read_bytes() != key.read_bytes():
            fail(f"{key} is another key than {kept}: move one of them away")
        restore_from(settings.home, file.absolute())
        if kept.exists() and not key.exists():
            _copy_private(kept, key)
    except (EmbeddedError, OSError) as error:
        fail(str(error))
    show({"home": str(settings.home)}, as_json=as_json, plain=str(settings.home))


def _embedded() -> Settings:
    settings = read_settings()
    if not settings.is_embedded:
        fail("LINEGATE_DATABASE_URL is set: back that server up with its own tools")
    return settings


def _copy_private(source: Path, target: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with source.open("rb") as read, os.fdopen(os.open(target, flags, 0o600), "wb") as write:
        shutil.copyfileobj(read, write)
