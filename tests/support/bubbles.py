"""Requests and bubbles for tests: one of each to read, and any number made at random."""

from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]


def a_text(text: str = "Your parcel is on its way", **properties: Any) -> Json:
    return {"type": "TEXT", "text": text, **properties}


def a_box(*contents: Json, layout: str = "VERTICAL", **properties: Any) -> Json:
    return {"type": "BOX", "layout": layout, "contents": list(contents), **properties}


def a_button(label: str = "Track", **properties: Any) -> Json:
    action = {"type": "URI", "label": label, "uri": "https://example.com/track"}
    return {"type": "BUTTON", "action": action, **properties}


def a_bubble(*body: Json, **properties: Any) -> Json:
    return {"type": "BUBBLE", "body": a_box(*(body or (a_text(),))), **properties}


def a_content(bubble: Json | None = None, alt_text: str = "Your parcel") -> Json:
    contents = a_bubble() if bubble is None else bubble
    return {"type": "LINE_NOTIFICATION", "altText": alt_text, "contents": contents}


def a_message(content: Json | None = None, **properties: Any) -> Json:
    return {
        "sender": "parcel-service",
        "destinations": [{"to": "66855538125"}],
        "content": a_content() if content is None else content,
        **properties,
    }


def a_request(*messages: Json, **properties: Any) -> Json:
    return {"messages": list(messages or (a_message(),)), **properties}


def a_full_bubble() -> Json:
    """Every component and nearly every property once, in the client's words."""
    icon = {"type": "ICON", "url": "https://example.com/i.png", "size": "sm", "aspectRatio": "1:1"}
    image = {
        "type": "IMAGE",
        "url": "https://example.com/truck.png",
        "size": "80%",
        "align": "END",
        "gravity": "BOTTOM",
        "aspectMode": "COVER",
        "aspectRatio": "20:13",
        "backgroundColor": "#FFFFFF80",
    }
    spans = [
        {"type": "SPAN", "text": "Arrives ", "style": "NORMAL", "decoration": "NONE"},
        {"type": "SPAN", "text": "today", "weight": "BOLD", "decoration": "LINE_THROUGH"},
        {"type": "SPAN", "text": "!", "style": "ITALIC", "size": "12.5px", "color": "#06c755"},
    ]
    body = [
        a_text(size="lg", weight="BOLD", wrap=True, maxLines=0, align="START", gravity="TOP"),
        {"type": "TEXT", "contents": spans, "margin": "md"},
        a_box(icon, a_text("Depot"), layout="BASELINE", spacing="sm"),
        {"type": "SEPARATOR", "margin": "xxl", "color": "#000000"},
    ]
    buttons = [
        a_button(style="PRIMARY", height="SMALL", color="#06C755"),
        a_button(style="LINK", height="MEDIUM", gravity="CENTER"),
        {"type": "BUTTON", "action": {"type": "POSTBACK", "label": "Later", "data": "a=1"}},
    ]
    return {
        "type": "BUBBLE",
        "size": "MEGA",
        "direction": "LEFT_TO_RIGHT",
        "header": a_box(image, layout="HORIZONTAL", paddingAll="none", offsetTop="0.3px"),
        "body": a_box(*body, cornerRadius="md", borderWidth="semi-bold", width="100%"),
        "footer": a_box(*buttons, flex=20),
        "style": {"header": {"backgroundColor": "#06C755"}, "footer": {"separator": True}},
        "action": {
            "type": "URI",
            "label": "Open",
            "uri": "line://app/1",
            "altUri": {"desktop": "https://example.com"},
        },
    }


# --- at random ---------------------------------------------------------------------------------

# Texts that look like JSON of either side, besides any text that can be stored.
_TRAPS = ['"align":"CENTER"', '{"type":"BOX"}', '","type":"TEXT","text":"', "CENTER", "BOLD", "\\"]
_TEXTS = st.sampled_from(_TRAPS) | st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=30
)
_PIXELS = st.integers(0, 999).map("{}px".format) | st.sampled_from(["0.3px", "14.25px"])
_PERCENTS = st.integers(0, 100).map("{}%".format)
_STEPS = st.sampled_from(["none", "xs", "sm", "md", "lg", "xl", "xxl"])
_SIZES = st.sampled_from(["xxs", "xs", "sm", "md", "lg", "xl", "xxl", "3xl", "4xl", "5xl"])
_SPACES = _STEPS | _PIXELS
_INSETS = _SPACES | _PERCENTS
_COLOURS = st.from_regex(r"#(?:[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})", fullmatch=True)
_BORDERS = _PIXELS | st.sampled_from(["none", "light", "normal", "medium", "semi-bold", "bold"])
_FLEX = st.integers(0, 20)
_URLS = st.sampled_from(["https://example.com/a.png", "https://example.com/BOLD?type=TEXT"])
_URIS = st.sampled_from(["https://example.com/x", "http://example.com/", "line://a", "tel:+8190"])
_RATIOS = st.tuples(st.integers(1, 100_000), st.integers(1, 3)).map(
    lambda sides: f"{sides[0]}:{min(sides[0] * sides[1], 100_000)}"
)
_POSITION = st.just("RELATIVE")
_GRAVITY = st.sampled_from(["TOP", "BOTTOM", "CENTER"])
_ALIGN = st.sampled_from(["START", "END", "CENTER"])
_WEIGHT = st.sampled_from(["BOLD", "REGULAR"])
_LABELS = _TEXTS.map(lambda text: text[:20])


def _record(required: Json, optional: Json) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(required, optional=optional)


_ACTIONS = _record(
    {"type": st.just("URI"), "label": _LABELS | st.just(""), "uri": _URIS},
    {"altUri": _record({}, {"desktop": _URIS})},
) | _record(
    {"type": st.just("POSTBACK"), "label": _LABELS, "data": _TEXTS},
    {"altUri": st.just({"desktop": "https://example.com"})},
)
_PLACED = {
    "margin": _SPACES,
    "position": _POSITION,
    "offsetTop": _INSETS,
    "offsetBottom": _INSETS,
    "offsetStart": _INSETS,
    "offsetEnd": _INSETS,
    "someThingUnknown": st.just({"type": "BOX"}),
}
_SPANS = _record(
    {"type": st.just("SPAN"), "text": _TEXTS},
    {
        "color": _COLOURS,
        "size": _SIZES | _PIXELS,
        "weight": _WEIGHT,
        "style": st.sampled_from(["NORMAL", "ITALIC"]),
        "decoration": st.sampled_from(["NONE", "UNDERLINE", "LINE_THROUGH"]),
    },
)
_TEXT_LOOKS = {
    **_PLACED,
    "flex": _FLEX,
    "size": _SIZES | _PIXELS,
    "align": _ALIGN,
    "gravity": _GRAVITY,
    "wrap": st.booleans(),
    "maxLines": st.integers(0, 9),
    "color": _COLOURS,
    "weight": _WEIGHT,
    "action": _ACTIONS,
}
_TEXT_COMPONENTS = _record(
    {"type": st.just("TEXT"), "text": _TEXTS},
    {**_TEXT_LOOKS, "contents": st.lists(_SPANS, max_size=3)},
) | _record(
    {"type": st.just("TEXT"), "contents": st.lists(_SPANS, min_size=1, max_size=3)},
    {**_TEXT_LOOKS, "text": st.just("")},
)
_ICONS = _record(
    {"type": st.just("ICON"), "url": _URLS},
    {**_PLACED, "size": _SIZES | _PIXELS, "aspectRatio": _RATIOS},
)
_IMAGES = _record(
    {"type": st.just("IMAGE"), "url": _URLS},
    {
        **_PLACED,
        "flex": _FLEX,
        "align": _ALIGN,
        "gravity": _GRAVITY,
        "size": _SIZES | _PIXELS | _PERCENTS | st.just("full"),
        "aspectRatio": _RATIOS,
        "aspectMode": st.sampled_from(["COVER", "FIT"]),
        "backgroundColor": _COLOURS,
        "action": _ACTIONS,
    },
)
_BUTTONS = _record(
    {"type": st.just("BUTTON"), "action": _ACTIONS.filter(lambda action: action["label"])},
    {
        **_PLACED,
        "flex": _FLEX,
        "height": st.sampled_from(["SMALL", "MEDIUM"]),
        "style": st.sampled_from(["LINK", "PRIMARY", "SECONDARY"]) | st.just({"header": {}}),
        "color": _COLOURS,
        "gravity": _GRAVITY,
    },
)
_SEPARATORS = _record({"type": st.just("SEPARATOR")}, {"margin": _SPACES, "color": _COLOURS})
_BOX_LOOKS = {
    **_PLACED,
    "backgroundColor": _COLOURS,
    "borderColor": _COLOURS,
    "borderWidth": _BORDERS,
    "cornerRadius": _SPACES,
    "width": _PIXELS | _PERCENTS,
    "height": _PIXELS | _PERCENTS,
    "flex": _FLEX,
    "spacing": _SPACES,
    "paddingAll": _INSETS,
    "paddingTop": _INSETS,
    "paddingBottom": _INSETS,
    "paddingStart": _INSETS,
    "paddingEnd": _INSETS,
    "action": _ACTIONS,
}
_BASELINES = _record(
    {"type": st.just("BOX"), "layout": st.just("BASELINE")},
    {**_BOX_LOOKS, "contents": st.lists(_ICONS | _TEXT_COMPONENTS, max_size=3)},
)


def _boxes(children: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    layout = st.sampled_from(["HORIZONTAL", "VERTICAL"])
    return _record(
        {"type": st.just("BOX"), "layout": layout, "contents": st.lists(children, max_size=3)},
        _BOX_LOOKS,
    )


_COMPONENTS = st.recursive(
    _TEXT_COMPONENTS | _IMAGES | _BUTTONS | _SEPARATORS | _BASELINES, _boxes, max_leaves=6
)
_BLOCKS = _boxes(_COMPONENTS) | _BASELINES.map(
    lambda box: {name: value for name, value in box.items() if name != "type"}
)
_BLOCK_STYLES = _record(
    {}, {"backgroundColor": _COLOURS, "separator": st.booleans(), "separatorColor": _COLOURS}
)
_STYLES = _record({}, {"header": _BLOCK_STYLES, "body": _BLOCK_STYLES, "footer": _BLOCK_STYLES})

bubbles = _record(
    {"type": st.just("BUBBLE"), "body": _BLOCKS},
    {
        "size": st.sampled_from(["NANO", "MICRO", "KILO", "MEGA", "GIGA"]),
        "direction": st.sampled_from(["LEFT_TO_RIGHT", "RIGHT_TO_LEFT"]),
        "header": _BLOCKS,
        "footer": _BLOCKS,
        "style": _STYLES,
        "styles": _STYLES,
        "action": _ACTIONS,
    },
)
"""Bubbles that break no rule."""

alt_texts = _TEXTS
