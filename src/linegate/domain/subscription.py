"""Which subscription a message's reports go to.

Source: published criteria and resources of a subscription (FACTS B5.3). Which one counts where
several match is not published: the most specific, then the one that was made first
(docs/decisions/0062).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Criterion", "Subscription", "endpoint_for"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """An application and entity; None leaves one of the two out."""

    application_id: str | None = None
    entity_id: str | None = None

    def matches(self, application_id: str | None, entity_id: str | None) -> bool:
        """Whether a message of this application and entity is meant."""
        return self.application_id in (None, application_id) and self.entity_id in (None, entity_id)

    @property
    def weight(self) -> int:
        """How specific it is: 0 to 2."""
        return (self.application_id is not None) + (self.entity_id is not None)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where reports go, and of which messages: no criteria, no resources mean all of them."""

    endpoint_id: int
    criteria: Sequence[Criterion] = ()
    resources: frozenset[str] = frozenset()

    def weight(self, sender: str, application_id: str | None, entity_id: str | None) -> int | None:
        """How specifically it means such a message; None if it does not."""
        if self.resources and sender not in self.resources:
            return None
        weights = [0] if not self.criteria else []
        weights += [c.weight for c in self.criteria if c.matches(application_id, entity_id)]
        if not weights:
            return None
        return 2 * max(weights) + bool(self.resources)


def endpoint_for(
    subscriptions: Iterable[Subscription],
    *,
    sender: str,
    application_id: str | None,
    entity_id: str | None,
) -> int | None:
    """The endpoint of the subscription that means this message most specifically.

    subscriptions: in the order they were made; the first of equals counts.
    """
    best: int | None = None
    found: int | None = None
    for each in subscriptions:
        weight = each.weight(sender, application_id, entity_id)
        if weight is not None and (best is None or weight > best):
            best, found = weight, each.endpoint_id
    return found
