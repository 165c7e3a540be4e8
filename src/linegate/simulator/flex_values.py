"""The words and measures that properties of Flex components take, as one table.

Source: LINE, "Flex Message layout" and "Flex Message elements" (FACTS A4.3). LINE's
published schema says no more than `string` of these.
"""

import re
from typing import Any

from linegate.simulator.answers import Detail

__all__ = ["bad_colours", "bad_values"]

_PX = r"\d+(?:\.\d+)?px"
_PERCENT = r"\d+(?:\.\d+)?%"
_STEPS = "xs|sm|md|lg|xl|xxl"
_SIZES = "xxs|xs|sm|md|lg|xl|xxl|3xl|4xl|5xl"


def _only(*choices: str) -> re.Pattern[str]:
    return re.compile("(?:" + "|".join(choices) + r")\Z", re.ASCII)


_GAP = _only(_PX, "none", _STEPS)
_INSET = _only(_PX, _PERCENT, "none", _STEPS)
_LENGTH = _only(_PX, _PERCENT)
_FONT = _only(_PX, _SIZES)
_COLOUR = _only("#[0-9A-Fa-f]{6}", "#[0-9A-Fa-f]{8}")
_RATIO = re.compile(r"(\d{1,6}(?:\.\d+)?):(\d{1,6}(?:\.\d+)?)\Z", re.ASCII)
_ANGLE = _only(r"\d+(?:\.\d+)?deg")
_SHARE = _only(_PERCENT)

_OFFSETS = dict.fromkeys(("offsetTop", "offsetBottom", "offsetStart", "offsetEnd"), _INSET)
_PADDINGS = dict.fromkeys(
    ("paddingAll", "paddingTop", "paddingBottom", "paddingStart", "paddingEnd"), _INSET
)
_MARGIN = {"margin": _GAP, **_OFFSETS}

# component type -> property -> what its text must look like
_VALUES: dict[str, dict[str, re.Pattern[str]]] = {
    "box": {
        **_MARGIN,
        **_PADDINGS,
        **dict.fromkeys(("width", "height", "maxWidth", "maxHeight"), _LENGTH),
        "spacing": _GAP,
        "cornerRadius": _GAP,
        "borderWidth": _only(_PX, "none|light|normal|medium|semi-bold|bold"),
        "backgroundColor": _COLOUR,
        "borderColor": _COLOUR,
    },
    "text": {**_MARGIN, "size": _FONT, "color": _COLOUR, "lineSpacing": _only(_PX)},
    "span": {"size": _FONT, "color": _COLOUR},
    "icon": {**_MARGIN, "size": _FONT},
    "image": {
        **_MARGIN,
        "size": _only(_PX, _PERCENT, _SIZES, "full"),
        "backgroundColor": _COLOUR,
    },
    "button": {**_MARGIN, "color": _COLOUR},
    "separator": {"margin": _GAP, "color": _COLOUR},
    "filler": {},
    "video": {},
}
_STYLE = {"backgroundColor": _COLOUR, "separatorColor": _COLOUR}
_GRADIENT = {
    "angle": _ANGLE,
    "startColor": _COLOUR,
    "endColor": _COLOUR,
    "centerColor": _COLOUR,
    "centerPosition": _SHARE,
}
_COUNTS = ("flex", "maxLines")
_INVALID = "invalid property"


def bad_values(component: dict[str, Any], path: str) -> list[Detail]:
    """Properties of one component whose value is none of those LINE knows."""
    found = _against(_VALUES[component["type"]], component, path)
    for name in _COUNTS:
        if component.get(name, 0) < 0:
            found.append(Detail(_INVALID, f"{path}/{name}"))
    ratio = component.get("aspectRatio")
    if ratio is not None and not _is_ratio(ratio):
        found.append(Detail(_INVALID, f"{path}/aspectRatio"))
    if "background" in component:
        found += _against(_GRADIENT, component["background"], f"{path}/background")
    return found


def bad_colours(style: dict[str, Any], path: str) -> list[Detail]:
    """Colours of a block's style that are not `#RRGGBB` or `#RRGGBBAA`."""
    return _against(_STYLE, style, path)


def _against(
    table: dict[str, re.Pattern[str]], component: dict[str, Any], path: str
) -> list[Detail]:
    return [
        Detail(_INVALID, f"{path}/{name}")
        for name, value in component.items()
        if (pattern := table.get(name)) is not None and pattern.match(value) is None
    ]


def _is_ratio(text: str) -> bool:
    """`w:h`, each from 1 to 100,000, and no taller than three times the width."""
    match = _RATIO.match(text)
    if match is None:
        return False
    width, height = float(match[1]), float(match[2])
    return 1 <= width <= 100_000 and 1 <= height <= min(100_000, 3 * width)
