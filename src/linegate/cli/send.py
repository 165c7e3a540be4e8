"""Command: send one message to a list of any length, with a progress bar."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from linegate.cli.bulks import read_pace
from linegate.cli.console import CommandError, JsonFlag, fail, run, show

__all__ = ["send"]

_PART = 256 * 1024


def send(  # noqa: PLR0913, PLR0917 - the options of a command
    message: Annotated[Path, typer.Option(help="A JSON file: a message object, or a request.")],
    csv: Annotated[
        Path | None, typer.Option(help="Columns to, messageId, and one per placeholder.")
    ] = None,
    ndjson: Annotated[Path | None, typer.Option(help="A destination a line, as JSON.")] = None,
    bulk_id: Annotated[str | None, typer.Option(help="Your own bulkId.")] = None,
    send_at: Annotated[str | None, typer.Option(help="When: 2026-01-31T09:00:00+0900")] = None,
    speed: Annotated[str | None, typer.Option(help="How fast: 6000/minute")] = None,
    url: Annotated[
        str, typer.Option(help="Where linegate listens.", envvar="LINEGATE_URL")
    ] = "http://127.0.0.1:8080",
    key: Annotated[str | None, typer.Option(help="An API key.", envvar="LINEGATE_API_KEY")] = None,
    as_json: Annotated[bool, JsonFlag] = False,
) -> None:
    """Send one message to every line of a file, as one bulk, and print its bulkId."""
    try:
        head = _head(message, bulk_id, send_at, speed)
        if (csv is None) == (ndjson is None):
            raise CommandError("give --csv or --ndjson")
        if not key:
            raise CommandError("an API key is needed: --key or LINEGATE_API_KEY")
        file = csv or ndjson or Path()
        media_type = "text/csv" if csv else "application/x-ndjson"
        parts = _parts(head, file, quiet=as_json)
        answer = run(_upload(url, key, parts, media_type))
    except (CommandError, OSError, ValueError) as error:
        fail(str(error))
    except aiohttp.ClientError as error:
        fail(f"{url}: {error}")
    show(answer, as_json=as_json, plain=str(answer["bulkId"]))


def _head(file: Path, bulk_id: str | None, send_at: str | None, speed: str | None) -> bytes:
    """The first line: the message of the file, with the schedule of file and options."""
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise CommandError(f"{file} must hold a JSON object")
    options: dict[str, Any] = {}
    if "messages" in found or "message" in found:
        options = dict(found.get("options") or {})
        messages = found.get("messages") or [found.get("message")]
        if len(messages) != 1:
            raise CommandError(f"{file} must have one message: its destinations are the lines")
        found = messages[0]
    found.pop("destinations", None)
    schedule: dict[str, Any] = dict(options.get("schedule") or {})
    if bulk_id:
        schedule["bulkId"] = bulk_id
    if send_at:
        schedule["sendAt"] = send_at
    if speed:
        pace = read_pace(speed)
        limit = {"amount": pace.amount, "timeUnit": pace.unit_name}
        schedule["sendingSpeedLimit"] = limit
    return json.dumps({"message": found, "options": {**options, "schedule": schedule}}).encode()


def _parts(head: bytes, file: Path, *, quiet: bool) -> Iterator[bytes]:
    """The body, part by part, with a bar that shows how far it is."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn(file.name),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )
    task = progress.add_task("", total=file.stat().st_size)
    with progress, file.open("rb") as source:
        yield head + b"\n"
        while part := source.read(_PART):
            yield part
            progress.advance(task, len(part))


async def _upload(url: str, key: str, parts: Iterator[bytes], media_type: str) -> dict[str, Any]:
    headers = {"Authorization": f"App {key}", "Content-Type": media_type}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=600)
    path = url.rstrip("/") + "/line/1/bulks/import"

    async def body() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(path, data=body(), headers=headers) as answer,
    ):
        told: dict[str, Any] = await answer.json(content_type=None)
        if answer.status != 200:
            raise CommandError(_why(answer.status, told))
        return told


def _why(status: int, told: dict[str, Any]) -> str:
    reasons = [f"{each['property']} {each['violation']}" for each in told.get("violations", [])]
    return "\n  ".join([f"refused with {status}: {told.get('description', '')}", *reasons[:20]])
