"""A LINE notification's bubble as clients write it: wire vocabulary, limits, no behaviour.

Every rule that concerns one value alone stands here as its type, so that the
decoder checks it in C and `api/explain.py` can put it in words; rules between
components are in `flex_rules.py`. Unknown properties are ignored, null is the
same as absent, and nothing here is sent to LINE but through `flex.py`.

The descriptions are shown to clients, after "must be".

Source: docs/reference/content.md (mapping table; vocabulary; published schema).
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

__all__ = [
    "Action",
    "AltUri",
    "BlockStyle",
    "Box",
    "Bubble",
    "BubbleStyle",
    "Button",
    "Component",
    "Icon",
    "Image",
    "LineNotification",
    "PostbackAction",
    "Separator",
    "Span",
    "Text",
    "UriAction",
]

# One dialect for two engines (Python's and the JSON Schema validator's), in which "$" alone
# would let a line break through.
_END = r"(?![\s\S])"
_PX = r"[0-9]+(?:\.[0-9]+)?px"
_PERCENT = r"[0-9]+(?:\.[0-9]+)?%"
_STEPS = "none|xs|sm|md|lg|xl|xxl"
_SIZES = "xxs|xs|sm|md|lg|xl|xxl|3xl|4xl|5xl"

Colour = Annotated[
    str,
    Meta(
        pattern=rf"^#(?:[0-9A-Fa-f]{{6}}|[0-9A-Fa-f]{{8}}){_END}",
        description="a colour like #RRGGBB or #RRGGBBAA",
    ),
]
Space = Annotated[
    str,
    Meta(
        pattern=rf"^(?:{_STEPS}|{_PX}){_END}",
        description="pixels like 14px, or none, xs, sm, md, lg, xl, xxl",
    ),
]
Inset = Annotated[
    str,
    Meta(
        pattern=rf"^(?:{_STEPS}|{_PX}|{_PERCENT}){_END}",
        description="pixels like 14px, a percentage like 80%, or none, xs, sm, md, lg, xl, xxl",
    ),
]
Length = Annotated[
    str,
    Meta(
        pattern=rf"^(?:{_PX}|{_PERCENT}){_END}",
        description="pixels like 14px or a percentage like 80%",
    ),
]
BorderWidth = Annotated[
    str,
    Meta(
        pattern=rf"^(?:none|light|normal|medium|semi-bold|bold|{_PX}){_END}",
        description="pixels like 2px, or none, light, normal, medium, semi-bold, bold",
    ),
]
FontSize = Annotated[
    str,
    Meta(
        pattern=rf"^(?:{_SIZES}|{_PX}){_END}",
        description=(
            "pixels like 14px, or xxs, xs, sm, md, lg, xl, xxl, 3xl, 4xl, 5xl; no percentage"
        ),
    ),
]
ImageSize = Annotated[
    str,
    Meta(
        pattern=rf"^(?:{_SIZES}|full|{_PX}|{_PERCENT}){_END}",
        description=(
            "pixels like 14px, a percentage like 80%, "
            "or xxs, xs, sm, md, lg, xl, xxl, 3xl, 4xl, 5xl, full"
        ),
    ),
]
AspectRatio = Annotated[
    str,
    Meta(
        pattern=rf"^[1-9][0-9]{{0,5}}:[1-9][0-9]{{0,5}}{_END}",
        description="width:height like 3:2, each from 1 to 100000",
    ),
]
PictureUrl = Annotated[
    str,
    Meta(
        pattern=rf"^[Hh][Tt][Tt][Pp][Ss]://[^\s/?#]\S*{_END}",
        max_length=2000,
        description="an https URL without spaces",
    ),
]
Uri = Annotated[
    str,
    Meta(
        pattern=(
            r"^(?:[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]|[Ll][Ii][Nn][Ee]://\S|[Tt][Ee][Ll]:\S)"
            rf"\S*{_END}"
        ),
        max_length=1000,
        description="a URI without spaces whose scheme is http, https, line or tel",
    ),
]
AltText = Annotated[str, Meta(min_length=1, max_length=400)]
Label = Annotated[str, Meta(max_length=20)]
SpanText = Annotated[str, Meta(min_length=1)]
Flex = Annotated[int, Meta(ge=0, le=20)]
MaxLines = Annotated[int, Meta(ge=0, le=2_147_483_647)]
PostbackData = Annotated[str, Meta(max_length=1000)]

Alignment = Literal["START", "END", "CENTER"]
AspectMode = Literal["COVER", "FIT"]
Decoration = Literal["NONE", "UNDERLINE", "LINE_THROUGH"]
Gravity = Literal["TOP", "BOTTOM", "CENTER"]
Position = Literal["RELATIVE", "ABSOLUTE"]
TextStyle = Literal["NORMAL", "ITALIC"]
Weight = Literal["BOLD", "REGULAR"]


class _Wire(Struct, omit_defaults=True, rename="camel", kw_only=True, gc=False):
    """What every piece shares: camelCase names, and nothing written that was not set."""


class AltUri(_Wire):
    """Where a URI action leads on a desktop."""

    desktop: Uri | None = None


class UriAction(_Wire, tag="URI", tag_field="type"):
    """Opens a URI when tapped."""

    label: Label
    uri: Uri
    alt_uri: AltUri | None = None


class PostbackAction(_Wire, tag="POSTBACK", tag_field="type"):
    """Sends data back to the account when tapped.

    The published schema gives it an `altUri`, which LINE does not know: it is ignored here.
    """

    label: Label
    data: PostbackData


Action = UriAction | PostbackAction


class _Placed(_Wire):
    """A component that can be moved from where the layout puts it."""

    margin: Space | None = None
    position: Position | None = None
    offset_top: Inset | None = None
    offset_bottom: Inset | None = None
    offset_start: Inset | None = None
    offset_end: Inset | None = None


class Box(_Placed, tag="BOX", tag_field="type", kw_only=True):
    """Lays out other components; also the only thing a block of a bubble can be."""

    layout: Literal["HORIZONTAL", "VERTICAL", "BASELINE"]
    contents: "list[Component] | None" = None
    background_color: Colour | None = None
    border_color: Colour | None = None
    border_width: BorderWidth | None = None
    corner_radius: Space | None = None
    width: Length | None = None
    height: Length | None = None
    flex: Flex | None = None
    spacing: Space | None = None
    padding_all: Inset | None = None
    padding_top: Inset | None = None
    padding_bottom: Inset | None = None
    padding_start: Inset | None = None
    padding_end: Inset | None = None
    action: Action | None = None

    def __post_init__(self) -> None:
        # LINE refuses a box without `contents`; an empty list, not being the default, is written.
        if self.contents is None:
            self.contents = []


class Button(_Placed, tag="BUTTON", tag_field="type", kw_only=True):
    """A button; its action's label is what it shows."""

    action: Action
    flex: Flex | None = None
    height: Literal["SMALL", "MEDIUM"] | None = None
    style: Literal["LINK", "PRIMARY", "SECONDARY"] | dict[str, Any] | None = None
    color: Colour | None = None
    gravity: Gravity | None = None

    def __post_init__(self) -> None:
        # The published schema calls for a bubble's style object here, by a clash of names;
        # LINE knows the three words only, so an object is taken and forgotten.
        if self.style.__class__ is dict:
            self.style = None


class Icon(_Placed, tag="ICON", tag_field="type", kw_only=True):
    """A small picture beside text; only in a baseline box."""

    url: PictureUrl
    size: FontSize | None = None
    aspect_ratio: AspectRatio | None = None


class Image(_Placed, tag="IMAGE", tag_field="type", kw_only=True):
    """A picture."""

    url: PictureUrl
    flex: Flex | None = None
    align: Alignment | None = None
    gravity: Gravity | None = None
    size: ImageSize | None = None
    aspect_ratio: AspectRatio | None = None
    aspect_mode: AspectMode | None = None
    background_color: Colour | None = None
    action: Action | None = None


class Separator(_Wire, tag="SEPARATOR", tag_field="type"):
    """A line between components."""

    margin: Space | None = None
    color: Colour | None = None


class Span(_Wire, tag="SPAN", tag_field="type"):
    """A stretch of a text with its own looks; only in a text's `contents`."""

    text: SpanText
    color: Colour | None = None
    size: FontSize | None = None
    weight: Weight | None = None
    style: TextStyle | None = None
    decoration: Decoration | None = None


class Text(_Placed, tag="TEXT", tag_field="type"):
    """A text: one string, or spans, which win if both are there."""

    text: str | None = None
    contents: list[Span] | None = None
    flex: Flex | None = None
    size: FontSize | None = None
    align: Alignment | None = None
    gravity: Gravity | None = None
    wrap: bool | None = None
    max_lines: MaxLines | None = None
    color: Colour | None = None
    weight: Weight | None = None
    action: Action | None = None

    def __post_init__(self) -> None:
        # An empty text or list says nothing, and LINE refuses it: the same as absent.
        if not self.text:
            self.text = None
        if not self.contents:
            self.contents = None


Component = Box | Button | Icon | Image | Separator | Text | Span
"""What the published schema lets a box hold; a span passes here and fails in `flex_rules.py`,
which can say why."""


class BlockStyle(_Wire):
    """The looks of one block of a bubble."""

    background_color: Colour | None = None
    separator: bool | None = None
    separator_color: Colour | None = None


class BubbleStyle(_Wire):
    """The looks of a bubble's blocks."""

    header: BlockStyle | None = None
    body: BlockStyle | None = None
    footer: BlockStyle | None = None


class Bubble(_Wire, tag="BUBBLE", tag_field="type"):
    """One message bubble.

    styles: what is sent to LINE. Clients of this API write `style`, as published; LINE and
            older clients write `styles`, which wins if both are there.
    """

    size: Literal["NANO", "MICRO", "KILO", "MEGA", "GIGA"] | None = None
    direction: Literal["LEFT_TO_RIGHT", "RIGHT_TO_LEFT"] | None = None
    header: Box | None = None
    body: Box | None = None
    footer: Box | None = None
    style: BubbleStyle | None = None
    styles: BubbleStyle | None = None
    action: Action | None = None

    def __post_init__(self) -> None:
        if self.style is not None:
            self.styles = self.styles or self.style
            self.style = None


class LineNotification(_Wire, tag="LINE_NOTIFICATION", tag_field="type"):
    """A notification of the flexible type: one bubble, and what is shown where it cannot be.

    alt_text: 1-400 characters. The published schema lets it be empty; LINE refuses that.
    """

    alt_text: AltText
    contents: Bubble
