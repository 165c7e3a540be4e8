"""What an account and its parts set: defaults of messages, and limits.

A message may name an application and an entity. Where several levels set the same thing the
narrowest wins: entity, then application, then account.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from linegate.domain.caller import Caller

__all__ = ["ANYWHERE", "AccountPolicy", "Level", "Limits", "Room"]


@dataclass(frozen=True, slots=True)
class Level:
    """What one level sets; None: nothing.

    default_sender:   name of the sender of messages that name none.
    endpoint_id:      where reports go of messages that name no URL.
    templates:        `required` or `free`; above what the sender says.
    messages_per_day: of a UTC day.
    """

    default_sender: str | None = None
    endpoint_id: int | None = None
    templates: str | None = None
    messages_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What an account or one credential may do; None: as much as it likes.

    waiting: messages that were accepted and have not ended.
    """

    requests_per_second: int | None = None
    messages_per_day: int | None = None
    waiting: int | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """Where a request's messages wait, and how many may; None: any number.

    key_id: what the key counts as that the request came with; None: it came with none.
    """

    key_id: int | None = None
    of_account: int | None = None
    of_key: int | None = None

    @property
    def is_limited(self) -> bool:
        """Whether anything must be counted before more is accepted."""
        return self.of_account is not None or self.of_key is not None


ANYWHERE = Room()
"""For who has no limit and came with no key."""


@dataclass(frozen=True, slots=True)
class AccountPolicy:
    """Everything an account sets.

    callers: by `Caller.name`, the limits of the credentials that have any.
    """

    own: Level = field(default_factory=Level)
    limits: Limits = field(default_factory=Limits)
    applications: Mapping[str, Level] = field(default_factory=dict)
    entities: Mapping[str, Level] = field(default_factory=dict)
    callers: Mapping[str, Limits] = field(default_factory=dict)

    @property
    def has_default_sender(self) -> bool:
        """Whether a message without a sender may have one anywhere."""
        levels = (self.own, *self.applications.values(), *self.entities.values())
        return any(level.default_sender is not None for level in levels)

    def room(self, caller: Caller) -> Room:
        """Where this caller's messages wait."""
        own = self.callers.get(caller.name)
        return Room(caller.counts_as, self.limits.waiting, own.waiting if own else None)

    def default_sender(self, application_id: str | None, entity_id: str | None) -> str | None:
        """The sender of a message that names none."""
        levels = self._levels(application_id, entity_id)
        return next((each.default_sender for each in levels if each.default_sender), None)

    def endpoint_id(self, application_id: str | None, entity_id: str | None) -> int | None:
        """Where reports go by the message's entity or application."""
        levels = self._levels(application_id, entity_id)
        return next((each.endpoint_id for each in levels if each.endpoint_id), None)

    def templates(self, application_id: str | None, entity_id: str | None) -> str | None:
        """Whether content must match a template; None: as the sender says."""
        levels = self._levels(application_id, entity_id)
        return next((each.templates for each in levels if each.templates), None)

    def quota(self, application_id: str | None, entity_id: str | None) -> tuple[str, int] | None:
        """Whose daily quota a message uses besides the account's, and how large it is."""
        entity = self.entities.get(entity_id or "")
        if entity is not None and entity.messages_per_day is not None:
            return f"entity {entity_id}", entity.messages_per_day
        application = self.applications.get(application_id or "")
        if application is not None and application.messages_per_day is not None:
            return f"application {application_id}", application.messages_per_day
        return None

    def _levels(self, application_id: str | None, entity_id: str | None) -> Iterator[Level]:
        """From the narrowest to the widest."""
        if entity_id and entity_id in self.entities:
            yield self.entities[entity_id]
        if application_id and application_id in self.applications:
            yield self.applications[application_id]
        yield self.own
