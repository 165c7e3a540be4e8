"""What a message object's content becomes: JSON for LINE, and what each message adds to it.

Templates are looked up here, since they are the sender's; and a sender's own rules about
templates are applied.
"""

from dataclasses import dataclass
from datetime import datetime

from starlette.concurrency import run_in_threadpool

from linegate.api.directory import Directory
from linegate.api.registered import fill
from linegate.api.schemas import LineMessage
from linegate.api.schemas_content import (
    LineNotification,
    LineNotificationTemplate,
    RegisteredTemplate,
)
from linegate.domain.violation import Violation
from linegate.line.flex import render_bubble
from linegate.line.template import render_template
from linegate.postgres.directory import Sender

__all__ = ["Made", "make_content"]

_MANY = 1000  # destinations: from here on they are not filled between two other requests


@dataclass(frozen=True, slots=True)
class Made:
    """A content as it is stored; see domain.bulk.MessageObject for the properties."""

    line_message: str
    templated: bool = False
    placeholders: list[str | None] | None = None
    template_version: int = 0


async def make_content(
    message: LineMessage, sender: Sender, path: str, directory: Directory, now: datetime
) -> Made | list[Violation]:
    """The content, or why it cannot be sent.

    path: of the message object, `messages[0]`.
    """
    match message.content:
        case LineNotification():
            return await _notification(message.content, sender, path, directory, now)
        case LineNotificationTemplate():
            return _line_template(message.content, sender, path, directory)
        case RegisteredTemplate():
            return await _registered(message, message.content, sender, path, directory, now)


async def _notification(
    content: LineNotification, sender: Sender, path: str, directory: Directory, now: datetime
) -> Made | list[Violation]:
    rendered = render_bubble(content)
    if sender.needs_template and not await directory.templates.has_match(sender.id, rendered, now):
        reason = "must match an approved template of this sender: it takes nothing else"
        return [Violation(f"{path}.content", reason)]
    return Made(rendered.decode())


def _line_template(
    content: LineNotificationTemplate, sender: Sender, path: str, directory: Directory
) -> Made | list[Violation]:
    """LINE's own templates need no approval of ours; a strict sender's keys must be known."""
    if sender.has_strict_keys:
        catalogue = directory.templates.catalogue
        unknown = catalogue.unknown_keys(content, sender.line_country, f"{path}.content")
        if unknown:
            return unknown
    return Made(render_template(content).decode(), templated=True)


async def _registered(
    message: LineMessage,
    content: RegisteredTemplate,
    sender: Sender,
    path: str,
    directory: Directory,
    now: datetime,
) -> Made | list[Violation]:
    chosen = await directory.templates.choose(
        sender.id, content.template_name, content.language, f"{path}.content", now
    )
    if isinstance(chosen, Violation):
        return [chosen]
    asked = (content, message.destinations, chosen.template, path)
    many = len(message.destinations) > _MANY
    filled = await run_in_threadpool(fill, *asked) if many else fill(*asked)
    if isinstance(filled, list):
        return filled
    return Made(
        filled.line_message,
        placeholders=filled.values,
        template_version=chosen.version_id,
    )
