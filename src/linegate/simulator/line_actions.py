"""What LINE asks of the actions in a Flex message.

Source: LINE reference, "Action objects" (FACTS A4.5).
"""

import unicodedata
from typing import Any
from urllib.parse import urlsplit

from linegate.simulator.answers import Detail

__all__ = ["action_problems", "clusters", "has_scheme"]

_LONGEST_LABEL = 40
_LONGEST_URI = 1000
_SCHEMES = frozenset(("http", "https", "line", "tel"))
_INVALID = "invalid property"
_MISSING = "must be specified"

# type -> the properties it must have
_REQUIRED = {
    "uri": ("uri",),
    "postback": ("data",),
    "message": ("text",),
    "datetimepicker": ("data", "mode"),
    "clipboard": ("label", "clipboardText"),
    "richmenuswitch": ("richMenuAliasId", "data"),
}
# Longest texts, in UTF-16 code units except displayText, which counts clusters.
_LONGEST = {"data": 300, "text": 300, "fillInText": 300}
_LONGEST_DISPLAY = 300


def action_problems(action: dict[str, Any], path: str, needs_label: bool = False) -> list[Detail]:
    """Everything wrong with one action; a type for quick replies only is wrong as a whole."""
    required = _REQUIRED.get(action["type"])
    if required is None:
        return [Detail(_INVALID, f"{path}/type")]
    found = [Detail(_MISSING, f"{path}/{name}") for name in required if not action.get(name)]
    label = action.get("label")
    if needs_label and not label and "label" not in required:
        found.append(Detail(_MISSING, f"{path}/label"))
    if label and clusters(label) > _LONGEST_LABEL:
        found.append(Detail(f"must be shorter than {_LONGEST_LABEL + 1}", f"{path}/label"))
    if clusters(action.get("displayText", "")) > _LONGEST_DISPLAY:
        found.append(Detail("must be shorter than 301", f"{path}/displayText"))
    for name, most in _LONGEST.items():
        if len(action.get(name, "").encode("utf-16-le", "surrogatepass")) > 2 * most:
            found.append(Detail(f"must be shorter than {most + 1}", f"{path}/{name}"))
    return found + _uri_problems(action, path)


def _uri_problems(action: dict[str, Any], path: str) -> list[Detail]:
    found: list[Detail] = []
    uris = {"uri": action.get("uri"), "altUri/desktop": action.get("altUri", {}).get("desktop")}
    for name, uri in uris.items():
        if not uri:
            continue
        if not has_scheme(uri, _SCHEMES):
            found.append(Detail("invalid uri scheme", f"{path}/{name}"))
        elif len(uri) > _LONGEST_URI:
            found.append(Detail(f"must be shorter than {_LONGEST_URI + 1}", f"{path}/{name}"))
    return found


def has_scheme(uri: str, schemes: frozenset[str]) -> bool:
    """Whether a URI begins with one of these schemes, goes somewhere and has no blanks."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    if any(character.isspace() for character in uri):
        return False
    somewhere = parts.hostname if parts.scheme in ("http", "https") else parts.netloc or parts.path
    return parts.scheme in schemes and bool(somewhere)


def clusters(text: str) -> int:
    """About how many characters a reader sees: LINE counts grapheme clusters.

    Combining marks, variation selectors and what a zero-width joiner joins count nothing;
    flags and Hangul in parts are counted by code point, which never refuses too little.
    """
    seen = 0
    joined = False
    for character in text:
        if character == "\u200d":
            joined = True
            continue
        mark = unicodedata.category(character) in ("Mn", "Me", "Mc")
        if not mark and not joined and not "\U0001f3fb" <= character <= "\U0001f3ff":
            seen += 1
        joined = False
    return seen
