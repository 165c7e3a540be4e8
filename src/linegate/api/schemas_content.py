"""The contents a message can have; the property `type` tells which.

`LINE_NOTIFICATION` is the published one; the others are ours (docs/reference/content.md).
"""

from typing import Annotated

from msgspec import Meta, Struct

from linegate.line.bubble import LineNotification
from linegate.line.template import LineNotificationTemplate

__all__ = [
    "Content",
    "LineNotification",
    "LineNotificationTemplate",
    "Placeholders",
    "RegisteredTemplate",
]

TemplateName = Annotated[str, Meta(min_length=1, max_length=255)]
Language = Annotated[str, Meta(min_length=2, max_length=35)]
PlaceholderName = Annotated[str, Meta(min_length=1, max_length=100)]
PlaceholderText = Annotated[str, Meta(max_length=2000)]
Placeholders = Annotated[dict[PlaceholderName, PlaceholderText], Meta(max_length=100)]
"""What fills a registered template's placeholders: at most 100, of at most 2000 characters."""


class RegisteredTemplate(Struct, tag="REGISTERED_TEMPLATE", tag_field="type", rename="camel"):
    """A bubble registered with linegate beforehand, filled in.

    language:     picks one where a template has several; absent, its only or default one.
    placeholders: for every destination; a destination's own win over these.
    """

    template_name: TemplateName
    language: Language | None = None
    placeholders: Placeholders | None = None


Content = LineNotification | LineNotificationTemplate | RegisteredTemplate
