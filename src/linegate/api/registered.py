"""A registered template filled for the destinations of one message object.

What no destination sets itself is filled in once, for all of them. Only what they do set travels
with their messages; so a bulk of personalised messages stores its template once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from linegate.api.explain import MOST_VIOLATIONS, bounded
from linegate.api.schemas import Destination
from linegate.api.schemas_content import RegisteredTemplate
from linegate.domain.violation import Violation
from linegate.line.filling import escaped
from linegate.line.registered import Fault, Registered

__all__ = ["Filled", "fill", "unused_placeholders"]

_MISSING = "is required: the template has this placeholder"


@dataclass(frozen=True, slots=True)
class Filled:
    """What is stored.

    line_message: JSON for LINE, with `{{name}}`s only if `values` is there.
    values:       per destination a JSON object of texts; None if all get the same.
    """

    line_message: str
    values: list[str | None] | None


@dataclass(slots=True)
class _Check:
    """One message object while its values are checked."""

    known: Registered
    shared: dict[str, str]
    path: str
    found: list[Violation] = field(default_factory=list)
    seen: set[frozenset[str]] = field(default_factory=set)

    def destination(self, at: int, own: Mapping[str, str]) -> None:
        """Check what one destination sets itself, and that nothing is missing."""
        place = f"{self.path}.destinations[{at}].placeholders"
        values = {**self.shared, **own}
        missing = self.known.names - values.keys()
        self.found += [Violation(f"{place}.{name}", _MISSING) for name in sorted(missing)]
        if missing:
            return
        for fault in self.known.faults(values, own):
            self.found.append(_violation(place, fault))
        if large := self.known.size_fault(values):
            self.found.append(_violation(place, large))

    def shared_beside(self, own: frozenset[str]) -> None:
        """Check what the message object sets, where a destination with these names leaves it."""
        if own in self.seen:
            return
        self.seen.add(own)
        base = f"{self.path}.content.placeholders"
        faults = self.known.faults_beside(self.shared, own)
        if not own and self.known.names <= self.shared.keys():
            size = self.known.size_fault(self.shared)
            faults += [size] if size else []
        told = {violation.property for violation in self.found}
        violations = [_violation(base, fault) for fault in faults]
        self.found += [each for each in violations if each.property not in told]


def fill(
    content: RegisteredTemplate, destinations: Sequence[Destination], known: Registered, path: str
) -> Filled | list[Violation]:
    """The message object's JSON and what each destination adds, or what is wrong.

    path: of the message object, `messages[0]`.
    """
    shared = _known(content.placeholders, known)
    owns = [_known(each.placeholders, known) for each in destinations]
    check = _Check(known, shared, path)
    complete = known.names <= shared.keys()
    for at, own in enumerate(owns):
        check.shared_beside(frozenset(own))
        if own or not complete:
            check.destination(at, own)
        if len(check.found) > MOST_VIOLATIONS:
            break
    if check.found:
        return bounded(check.found)
    if len(owns) == 1:
        return Filled(_baked(known, {**shared, **owns[0]}), None)
    personal = {name for own in owns for name in own}
    if not personal:
        return Filled(_baked(known, shared), None)
    fixed = {name: text for name, text in shared.items() if name not in personal}
    defaults = {name: text for name, text in shared.items() if name in personal}
    values: list[str | None] = [_json({**defaults, **own}) for own in owns]
    return Filled(_baked(known, fixed), values)


def unused_placeholders(
    content: RegisteredTemplate, destinations: Sequence[Destination], known: Registered, path: str
) -> list[Violation]:
    """Placeholders that the template does not have: warnings, they are ignored."""
    reason = "is no placeholder of the template and is ignored"
    places = [(f"{path}.content.placeholders", content.placeholders)]
    places += [
        (f"{path}.destinations[{at}].placeholders", each.placeholders)
        for at, each in enumerate(destinations)
    ]
    return [
        Violation(f"{place}.{name}", reason)
        for place, given in places
        for name in given or ()
        if name not in known.names
    ][: MOST_VIOLATIONS + 1]


def _known(given: Mapping[str, str] | None, known: Registered) -> dict[str, str]:
    return {name: text for name, text in given.items() if name in known.names} if given else {}


def _violation(base: str, fault: Fault) -> Violation:
    return Violation(base if fault.name is None else f"{base}.{fault.name}", fault.words)


def _baked(known: Registered, values: Mapping[str, str]) -> str:
    filled = {name: escaped(text) for name, text in values.items()}
    return known.form.with_some(filled).decode()


def _json(values: Mapping[str, str]) -> str:
    return msgspec.json.encode(values).decode()
