"""What the messages of an object share, kept in memory while they go out."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from linegate.domain.window import DeliveryWindow
from linegate.domain.zones import zone_of_country
from linegate.line.filling import Form
from linegate.phones.countries import country_of
from linegate.postgres.dispatching import Content as StoredContent
from linegate.postgres.dispatching import load_objects, load_placeholders
from linegate.postgres.pool import Pool

__all__ = ["Content", "Contents"]

# Many running bulks' worth. A message sent alone leaves a content that nobody asks for again.
_BYTES = 8 * 1024 * 1024
_BESIDES = 500  # bytes of an entry besides its JSON


class _Window(msgspec.Struct):
    """A window as stored; zone None is the recipient's."""

    days: list[int]
    opens: int | None
    closes: int | None
    zone: str | None


@dataclass(frozen=True, slots=True)
class Content:
    """Whether it is for the templated endpoint, the JSON without the recipient, when it may go.

    intermediate: the client wants to be told of hand-overs too.
    form:         the same JSON, where each message fills in texts of its own.
    trace_id:     for the log; '' if the request is not traced.
    """

    templated: bool
    line_message: bytes
    window: str | None
    intermediate: bool = False
    form: Form | None = None
    trace_id: str = ""

    def filled(self, values: str | None) -> bytes:
        """The JSON of one message; values: its texts, as stored."""
        if self.form is None:
            return self.line_message
        if values is None:
            raise LookupError("a personalised message has no texts")
        return self.form.fill_stored(values)

    def opens_at(self, destination: str, now: datetime) -> datetime | None:
        """When a message to this number may go, if it may not go now."""
        if self.window is None:
            return None
        window = _read(self.window)
        if window.zone is None:
            country = country_of(destination)
            zone = zone_of_country(country) if country else "UTC"
        else:
            zone = window.zone
        open_in = DeliveryWindow(
            frozenset(window.days), window.opens, window.closes, ZoneInfo(zone)
        )
        return None if open_in.contains(now) else open_in.next_open(now)


def _content(row: StoredContent) -> Content:
    form = Form(row.line_message) if row.personal else None
    return Content(
        row.templated, row.line_message, row.window, row.intermediate, form, row.trace_id
    )


@lru_cache(maxsize=1024)
def _read(text: str) -> _Window:
    return msgspec.json.decode(text, type=_Window)


class Contents:
    """A bounded store of content by message object: a bulk of a million reads its own once."""

    def __init__(self, pool: Pool) -> None:
        """Read over `pool`."""
        self._pool = pool
        self._kept: OrderedDict[int, Content] = OrderedDict()
        self._size = 0

    async def load(self, object_ids: Set[int]) -> Mapping[int, Content]:
        """These objects' contents, from memory where they are. One that is gone is not in it."""
        known = {id_: self._kept[id_] for id_ in object_ids & self._kept.keys()}
        missing = object_ids - known.keys()
        if not missing:
            return known
        async with self._pool.acquire() as conn:
            rows = await load_objects(conn, sorted(missing))
        found = {id_: _content(row) for id_, row in rows.items()}
        self._keep(found)
        return known | found

    async def texts(self, message_ids: Sequence[int]) -> Mapping[int, str]:
        """What these personalised messages fill in, by message."""
        async with self._pool.acquire() as conn:
            return await load_placeholders(conn, message_ids)

    def _keep(self, found: Mapping[int, Content]) -> None:
        for id_, content in found.items():
            self._kept[id_] = content
            self._size += len(content.line_message) + _BESIDES
        while self._size > _BYTES:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped.line_message) + _BESIDES
