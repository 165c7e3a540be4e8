"""A group of numbered bulks as rows, column by column, as the statements take them."""

from collections.abc import Sequence
from dataclasses import dataclass

from linegate.accept.once import Once
from linegate.domain.bulk import Bulk, MessageObject
from linegate.domain.policy import ANYWHERE, Room
from linegate.domain.trace import TRACED_AT_MOST
from linegate.postgres.bulks import AcceptedRows, RunRow, TrackRow

__all__ = ["Numbered", "rows_of", "window_text"]

ALONE_AT_MOST = 10  # destinations of a request whose messages go before those of bulks


@dataclass(slots=True)
class Numbered:
    """A bulk with its ids: the bulk's, one per object, one per message, one per track.

    tracks: for a bulk that waits, per object the zone of each of its tracks.
    once:   the request's Idempotency-Key, if it has one.
    room:   where its messages wait.
    """

    bulk: Bulk
    ids: list[int]
    size: int
    tracks: list[list[str]] | None = None
    once: Once | None = None
    room: Room = ANYWHERE

    @property
    def message_ids(self) -> list[int]:
        """The ids of its messages, in the request's order."""
        start = 1 + len(self.bulk.objects)
        return self.ids[start : start + self.size]

    @property
    def traced(self) -> list[int]:
        """The ids of its messages that are told of."""
        return self.message_ids[:TRACED_AT_MOST] if self.bulk.trace is not None else []

    @property
    def home(self) -> str:
        """The step its messages are due in."""
        return "due_alone" if self.size <= ALONE_AT_MOST else "due_bulk"


def rows_of(group: Sequence[Numbered], duplicates: frozenset[int]) -> AcceptedRows:
    """All rows of a group; `duplicates` are messages that are not taken."""
    rows = AcceptedRows()
    for each in group:
        bulk, ids = each.bulk, each.ids
        message_ids = each.message_ids
        last_id = message_ids[-1] if message_ids else ids[0]
        rows.bulks.append((ids[0], bulk.account_id, bulk.client_id, each.size, last_id))
        if each.tracks is not None:
            rows.runs.append(_run_row(each, last_id))
        trace = _trace(each, duplicates, rows) if bulk.trace is not None else None
        start, next_track = 0, 1 + len(bulk.objects) + each.size
        for number, part in enumerate(bulk.objects, 1):
            rows.objects.append(_object_row(part, ids[number], each, trace))
            end = start + len(part.destinations)
            track_ids: list[int | None] = [None] * (end - start)
            if each.tracks is not None:
                zones = each.tracks[number - 1]
                by_zone = dict(zip(zones, ids[next_track:], strict=False))
                next_track += len(zones)
                track_ids = _track_ids(part, by_zone)
                rows.tracks += _track_rows(
                    each, part, ids[number], by_zone, message_ids[start:end], duplicates
                )
            _add_messages(rows, part, message_ids[start:end], track_ids, duplicates)
            start = end
    return rows


def _run_row(each: Numbered, last_id: int) -> RunRow:
    bulk = each.bulk
    pace = bulk.schedule.pace
    return RunRow(
        each.ids[0],
        bulk.account_id,
        last_id,
        each.size,
        max(bulk.schedule.send_at or bulk.accepted_at, bulk.accepted_at),
        pace.amount if pace else None,
        pace.unit if pace else None,
    )


def _track_ids(part: MessageObject, by_zone: dict[str, int]) -> list[int | None]:
    if isinstance(part.zones, str):
        return [by_zone[part.zones]] * len(part.destinations)
    return [by_zone[zone] for zone in part.zones]


def _track_rows(
    each: Numbered,
    part: MessageObject,
    object_id: int,
    by_zone: dict[str, int],
    message_ids: Sequence[int],
    duplicates: frozenset[int],
) -> list[TrackRow]:
    """One row per zone of an object that has messages to send."""
    waiting: dict[str, list[int]] = {zone: [] for zone in by_zone}
    for at, id_ in enumerate(message_ids):
        if at not in part.rejections and id_ not in duplicates:
            zone = part.zones if isinstance(part.zones, str) else part.zones[at]
            waiting[zone].append(id_)
    window = part.window
    return [
        TrackRow(
            id=by_zone[zone],
            bulk_id=each.ids[0],
            object_id=object_id,
            account_id=each.bulk.account_id,
            sender_id=part.sender_id,
            endpoint_id=part.endpoint_id,
            home=each.home,
            validity=part.validity,
            days="{" + ",".join(map(str, window.days)) + "}" if window else None,
            opens=window.opens if window else None,
            closes=window.closes if window else None,
            zone=zone,
            last_id=ids[-1],
            remaining=len(ids),
        )
        for zone, ids in waiting.items()
        if ids
    ]


def _trace(each: Numbered, duplicates: frozenset[int], rows: AcceptedRows) -> bytes | None:
    """A traced request's trace as it is stored; its messages to tell of are noted."""
    traced = each.traced
    if each.bulk.trace is None or not traced:
        return None
    packed = each.bulk.trace._replace(last_id=traced[-1]).packed()
    rows.untold += [(id_, packed) for id_ in traced if id_ not in duplicates]
    return packed


def _object_row(
    part: MessageObject, id_: int, each: Numbered, trace: bytes | None
) -> tuple[object, ...]:
    return (
        id_,
        each.ids[0],
        each.bulk.account_id,
        part.sender_id,
        part.endpoint_id,
        each.home,
        part.templated,
        part.line_message,
        part.entity_id,
        part.application_id,
        part.campaign,
        part.callback_data,
        part.validity,
        window_text(part),
        part.sms_failover,
        part.intermediate,
        part.template_version,
        part.placeholders is not None,
        part.sms_failover is not None,
        each.room.key_id,
        each.room.is_limited,
        trace,
    )


def window_text(part: MessageObject) -> str | None:
    """The window as JSON, for the dispatcher: it is looked at again at every attempt."""
    window = part.window
    if window is None:
        return None
    days = ",".join(map(str, window.days))
    opens = "null" if window.opens is None else window.opens
    closes = "null" if window.closes is None else window.closes
    zone = f'"{part.zones}"' if isinstance(part.zones, str) else "null"  # null: the recipient's
    return f'{{"days":[{days}],"opens":{opens},"closes":{closes},"zone":{zone}}}'


def _add_messages(
    rows: AcceptedRows,
    part: MessageObject,
    ids: list[int],
    track_ids: list[int | None],
    duplicates: frozenset[int],
) -> None:
    all_ids, positions, destinations, client_ids, statuses, errors, tracks, values = rows.messages
    position = len(rows.objects)  # arrays of SQL count from 1
    if not duplicates and not part.rejections:
        all_ids.extend(ids)
        positions.extend([position] * len(ids))
        destinations.extend(part.destinations)
        client_ids.extend(part.client_ids)
        nothing = [None] * len(ids)
        statuses.extend(nothing)
        errors.extend(nothing)
        tracks.extend(track_ids)
        values.extend(nothing if part.placeholders is None else part.placeholders)
        return
    for at, id_ in enumerate(ids):
        if id_ in duplicates:
            continue
        rejection = part.rejections.get(at)
        all_ids.append(id_)
        positions.append(position)
        destinations.append(part.destinations[at])
        client_ids.append(part.client_ids[at])
        statuses.append(rejection.status if rejection else None)
        errors.append(rejection.error if rejection else None)
        tracks.append(None if rejection else track_ids[at])
        values.append(part.placeholders[at] if part.placeholders else None)
