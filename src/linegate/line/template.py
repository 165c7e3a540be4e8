"""A notification made from one of LINE's own templates: vocabulary, rules, rendering.

The names are LINE's. Whether a key exists is LINE's knowledge, since its catalogue
changes and depends on the account's country: an unknown key is its 400.

Source: docs/reference/content.md (template body).
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from linegate.domain.violation import Violation

__all__ = [
    "EmphasizedItem",
    "Item",
    "LineNotificationTemplate",
    "TemplateBody",
    "TemplateButton",
    "render_template",
    "template_violations",
]

Key = Annotated[str, Meta(min_length=1, max_length=255)]
Emphasized = Annotated[str, Meta(min_length=1, max_length=15)]
Content = Annotated[str, Meta(min_length=1, max_length=300)]
ButtonUrl = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:\S+(?![\s\S])",
        max_length=1000,
        description="a URL without spaces",
    ),
]


class _Wire(Struct, omit_defaults=True, rename="camel", kw_only=True, gc=False):
    """What every piece shares: camelCase names, and nothing written that was not set."""


class EmphasizedItem(_Wire):
    """The one item shown large: at most 15 characters."""

    item_key: Key
    content: Emphasized


class Item(_Wire):
    """One row of the template: at most 300 characters."""

    item_key: Key
    content: Content


class TemplateButton(_Wire):
    """One of the template's buttons and where it leads."""

    button_key: Key
    url: ButtonUrl


class TemplateBody(_Wire):
    """What fills the template: one emphasized item, up to 15 items, up to 2 buttons."""

    emphasized_item: EmphasizedItem | None = None
    items: Annotated[list[Item], Meta(max_length=15)] | None = None
    buttons: Annotated[list[TemplateButton], Meta(max_length=2)] | None = None


class LineNotificationTemplate(_Wire, tag="LINE_NOTIFICATION_TEMPLATE", tag_field="type"):
    """A notification of LINE's template type; title and looks come from the template."""

    template_key: Key
    body: TemplateBody | None = None


class _Rendered(_Wire):
    """The part of LINE's request body that is the same for every destination."""

    template_key: str
    body: TemplateBody | None = None


_ENCODER = msgspec.json.Encoder()


def render_template(content: LineNotificationTemplate) -> bytes:
    """LINE's request body without `to`, as compact JSON: `{"templateKey":...,"body":{...}}`."""
    return _ENCODER.encode(_Rendered(template_key=content.template_key, body=content.body))


def template_violations(content: LineNotificationTemplate, path: str) -> list[Violation]:
    """Keys that come twice, which LINE refuses; empty if none.

    path:   where the content stands in the request, such as `messages[0].content`.
    Source: docs/reference/content.md (duplicate itemKey; buttonKey unique).
    """
    body = content.body
    if body is None:
        return []
    items = [(f"items[{i}]", item.item_key) for i, item in enumerate(body.items or ())]
    if body.emphasized_item is not None:
        items.insert(0, ("emphasizedItem", body.emphasized_item.item_key))
    buttons = [(f"buttons[{i}]", button.button_key) for i, button in enumerate(body.buttons or ())]
    return [
        Violation(f"{path}.body.{place}.{name}", f"must not be used twice in one message: {name}")
        for name, keys in (("itemKey", items), ("buttonKey", buttons))
        for place in _repeated(keys)
    ]


def _repeated(keys: Iterable[tuple[str, str]]) -> list[str]:
    """The places whose key stood at an earlier place already."""
    seen: set[str] = set()
    places = []
    for place, key in keys:
        if key in seen:
            places.append(place)
        seen.add(key)
    return places
