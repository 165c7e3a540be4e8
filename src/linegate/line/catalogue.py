"""The keys of LINE's own templates, by the Official Account's country.

LINE shows its lists in a web page only and adds to them at any time, so the file that comes with
linegate (`catalogue.json`) is a part of them, and an operator may load a newer one. That is why an
unknown key is a warning unless a sender is strict.

Source: docs/reference/templates.md (LINE's template page; what is known of it).
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from linegate.domain.violation import Violation
from linegate.line.template import LineNotificationTemplate

__all__ = ["Catalogue", "CatalogueError", "load_catalogue", "shipped_catalogue"]

COUNTRIES = ("JP", "TH", "TW")


class CatalogueError(RuntimeError):
    """The file is no catalogue; the text says why."""


class CountryKeys(Struct, forbid_unknown_fields=True):
    """Key -> its name or text as LINE shows it, or None where nobody knows."""

    templates: dict[str, str | None] = {}
    items: dict[str, str | None] = {}
    buttons: dict[str, str | None] = {}


class Catalogue:
    """Which keys are known.

    by_country: JP, TH and TW.
    """

    def __init__(self, by_country: dict[str, CountryKeys]) -> None:
        self._by_country = by_country

    def unknown_keys(
        self, content: LineNotificationTemplate, country: str | None, path: str
    ) -> list[Violation]:
        """The keys of a content that LINE may not know.

        country: of the Official Account; None: whichever.
        path:    of the content, `messages[0].content`.
        """
        known = [keys for code, keys in self._by_country.items() if country in (None, code)]
        where = f" for {country}" if country else ""
        reason = f"is no key of LINE's templates{where} that this installation knows"
        return [
            Violation(f"{path}.{place}", reason)
            for kind, place, key in _keys_of(content)
            if not any(key in getattr(keys, kind) for keys in known)
        ]

    def sizes(self) -> dict[str, dict[str, int]]:
        """How many keys are known, by country and kind."""
        return {
            code: {name: len(getattr(keys, name)) for name in CountryKeys.__struct_fields__}
            for code, keys in sorted(self._by_country.items())
        }


def _keys_of(content: LineNotificationTemplate) -> Iterator[tuple[str, str, str]]:
    """Kind, place and key of each key."""
    yield "templates", "templateKey", content.template_key
    body = content.body
    if body is None:
        return
    if body.emphasized_item is not None:
        yield "items", "body.emphasizedItem.itemKey", body.emphasized_item.item_key
    for at, item in enumerate(body.items or ()):
        yield "items", f"body.items[{at}].itemKey", item.item_key
    for at, button in enumerate(body.buttons or ()):
        yield "buttons", f"body.buttons[{at}].buttonKey", button.button_key


def load_catalogue(file: Path | None) -> Catalogue:
    """A catalogue from a JSON file; None: what linegate comes with. Raises: CatalogueError."""
    if file is None:
        return shipped_catalogue()
    try:
        by_country = msgspec.json.decode(file.read_bytes(), type=dict[str, CountryKeys])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CatalogueError(f"{file} cannot be read as a template catalogue: {error}") from error
    unknown = sorted(by_country.keys() - set(COUNTRIES))
    if unknown:
        raise CatalogueError(f"{file}: {unknown[0]} is none of the countries JP, TH and TW")
    return Catalogue(by_country)


@cache
def shipped_catalogue() -> Catalogue:
    """What linegate comes with."""
    return load_catalogue(Path(__file__).with_name("catalogue.json"))
