"""API keys: given out, changed, rotated, switched off. A key is shown once, when it is made."""

from collections.abc import Sequence
from datetime import timedelta

from starlette.responses import Response

from linegate.admin.callers import change_key, create_key, make_key
from linegate.admin.desired import DocumentError, KeySettings
from linegate.admin.notes import Notes, Spot
from linegate.admin.reading import read
from linegate.console.answers import back, missing, refused
from linegate.console.pages import page, shown_minute
from linegate.console.visit import Form, Visit
from linegate.domain.keys import ALL_SCOPES, KNOWN_SCOPES
from linegate.postgres.audit import acting
from linegate.postgres.identities import KeyListed, KeyRules, enable_key, list_keys, rotate_key
from linegate.postgres.pool import Connection, Pool

__all__ = ["KeyPages"]

_PATH = "/console/keys"
_LONGEST_LIFE = 3650
_GRACE = timedelta(days=1)
_ADDRESSES = 4000
# What the fields are called on the page, by what the rules call them.
_LIMITS = {
    "requestsPerSecond": "Requests a second",
    "messagesPerDay": "Messages a day",
    "messagesWaiting": "Unfinished messages",
}
_WORDS = {**_LIMITS, "allowedAddresses": "Addresses", "validFrom": "Works from", "expires": "Ends"}


class KeyPages:
    """Keys of the account that is looked at."""

    def __init__(self, pool: Pool) -> None:
        """Write over `pool`."""
        self._pool = pool

    async def all(self, visit: Visit) -> Response:
        """An account's keys, and all rules of the one that the address names."""
        return await self._answer(visit, "")

    async def create(self, visit: Visit) -> Response:
        """A new key, which is shown this once."""
        form, made = visit.form, make_key()
        days = form.text("days", 5)
        if days and not (days.isdecimal() and 0 < int(days) <= _LONGEST_LIFE):
            return refused(visit, f"A key lasts 1 to {_LONGEST_LIFE} days, or for ever.")
        ends = (visit.now + timedelta(days=int(days))).isoformat() if days else None
        asked = _asked({**_limits(form), "expires": ends}, form, ALL_SCOPES)
        if isinstance(asked, str):
            return refused(visit, asked)
        async with acting(self._pool, visit.actor) as conn:
            await create_key(conn, made, asked, _spot(visit))
        return await self._answer(visit, made.key)

    async def change(self, visit: Visit) -> Response:
        """Write all rules and limits of a key; an empty field is none."""
        form = visit.form
        scopes = KNOWN_SCOPES if visit.viewer.is_operator else ALL_SCOPES
        async with acting(self._pool, visit.actor) as conn:
            key = await _found(conn, visit)
            if isinstance(key, Response):
                return key
            asked = _asked({**_limits(form), **_rules(form, key.rules)}, form, scopes)
            if isinstance(asked, str):
                return refused(visit, asked)
            try:
                await change_key(conn, key.id, asked, _spot(visit))
            except DocumentError as error:
                return refused(visit, f"{error}.")
        return back(visit, _PATH, f"Key {key.id} was changed; it counts within 2 seconds.")

    async def rotate(self, visit: Visit) -> Response:
        """A new key with the rules and counts of an old one, which goes on for a day."""
        made = make_key()
        async with acting(self._pool, visit.actor) as conn:
            key = await _found(conn, visit)
            if isinstance(key, Response):
                return key
            id_ = await rotate_key(
                conn,
                visit.viewer.acting_id,
                key.id,
                digest=made.digest,
                hint=made.hint,
                ends_at=visit.now + _GRACE,
                now=visit.now,
            )
        if id_ is None:
            return refused(visit, "A key that is off cannot be rotated.")
        return await self._answer(visit, made.key)

    async def switch(self, visit: Visit) -> Response:
        """Switch a key on or off; an account may switch off any of its own."""
        enabled = visit.form.text("enabled") == "1"
        async with acting(self._pool, visit.actor) as conn:
            key = await _found(conn, visit, may_be_above=not enabled)
            if isinstance(key, Response):
                return key
            await enable_key(conn, visit.viewer.acting_id, key.id, enabled=enabled)
        return back(visit, _PATH, f"Key {key.id} is {'on' if enabled else 'off'}.")

    async def _answer(self, visit: Visit, made: str) -> Response:
        async with self._pool.acquire() as conn:
            keys = await list_keys(conn, visit.viewer.acting_id)
        chosen = next((each for each in keys if str(each.id) == visit.query.text("key")), None)
        return page(
            visit,
            "keys.html",
            keys=keys,
            made=made,
            chosen=None if made else chosen,
            is_above=chosen is not None and _is_above(chosen, visit),
            scopes=ALL_SCOPES,
            known_scopes=KNOWN_SCOPES if visit.viewer.is_operator else ALL_SCOPES,
            limits=_LIMITS,
        )


async def _found(
    conn: Connection, visit: Visit, *, may_be_above: bool = False
) -> KeyListed | Response:
    """The key that the form names, or why it cannot be had; above: with scopes of operators."""
    keys = await list_keys(conn, visit.viewer.acting_id)
    key = next((each for each in keys if str(each.id) == visit.form.text("key")), None)
    if key is None:
        return missing(visit, "key")
    if _is_above(key, visit) and not may_be_above:
        return refused(visit, "Only an operator can do that to a key of operators.")
    return key


def _is_above(key: KeyListed, visit: Visit) -> bool:
    """Whether it has scopes of operators: nobody gives out more than they hold."""
    return not visit.viewer.is_operator and not key.rules.scopes <= set(ALL_SCOPES)


def _spot(visit: Visit) -> Spot:
    return Spot(visit.viewer.acting_id, visit.viewer.acting_name, Notes(), visit.now)


def _asked(tree: dict[str, object], form: Form, scopes: Sequence[str]) -> KeySettings | str:
    """What the form wants of a key, or what is wrong with it."""
    given = [scope for scope in scopes if scope in form.all("scope")]
    if not given:
        return "A key needs at least one scope."
    try:
        return read({**tree, "name": form.text("name"), "scopes": given}, KeySettings)
    except DocumentError as error:
        told = [(each.property.partition("[")[0], each.violation) for each in error.violations]
        return "; ".join(f"{_WORDS.get(name, name)} {words}" for name, words in told) + "."


def _limits(form: Form) -> dict[str, object]:
    texts = {name: form.text(name, 18) for name in _LIMITS}
    return {
        name: int(text) if text.isascii() and text.isdecimal() else text or None
        for name, text in texts.items()
    }


def _rules(form: Form, now: KeyRules) -> dict[str, object]:
    tree: dict[str, object] = {
        "allowedAddresses": form.text("addresses", _ADDRESSES).split() or None,
    }
    for field, name, at in (
        ("valid_from", "validFrom", now.valid_from),
        ("expires", "expires", now.expires_at),
    ):
        text = form.text(field, 19)
        if text != shown_minute(at):  # else it stays, to the microsecond
            tree[name] = f"{text}:00Z" if text else None
    for what in ("application", "entity"):
        id_, forced = form.text(what) or None, form.text(f"{what}_forced") == "1"
        tree[f"fill{what.title()}"] = None if forced else id_
        tree[f"force{what.title()}"] = id_ if forced else None
    return tree
