"""What of the registered templates may be sent, remembered for a second; and LINE's own keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from linegate.api.memory import REMEMBERED_FOR, Memory
from linegate.domain.violation import Violation
from linegate.line.catalogue import Catalogue, shipped_catalogue
from linegate.line.matching import matches
from linegate.line.registered import Registered, registered
from linegate.postgres.pool import Pool
from linegate.postgres.templates import Approved, approved_templates

__all__ = ["Chosen", "TemplateDirectory"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The version of a template that is sent."""

    version_id: int
    template: Registered


class TemplateDirectory:
    """Approved templates by sender.

    catalogue: of LINE's own templates; None: the one that linegate comes with.
    """

    def __init__(self, pool: Pool, catalogue: Catalogue | None = None) -> None:
        self._pool = pool
        self.catalogue = catalogue or shipped_catalogue()
        self._named: Memory[tuple[int, str], list[Approved]] = Memory(
            self._load_named, REMEMBERED_FOR
        )
        self._forms: Memory[int, list[Any]] = Memory(self._load_forms, REMEMBERED_FOR)

    async def choose(
        self, sender_id: int, name: str, language: str | None, path: str, now: datetime
    ) -> Chosen | Violation:
        """The template of this name, in this language or else the one registered first.

        path: of the content, for the violation where there is none.
        """
        found = await self._named.get((sender_id, name), now) or []
        if not found:
            reason = "must be the name of an approved template of this sender"
            return Violation(f"{path}.templateName", reason)
        for each in found:
            if language is None or each.language.lower() == language.lower():
                return Chosen(each.version_id, registered(each.form))
        known = ", ".join(each.language for each in found if each.language) or "none"
        reason = f"must be a language of an approved version of this template ({known})"
        return Violation(f"{path}.language", reason)

    async def has_match(self, sender_id: int, line_message: bytes, now: datetime) -> bool:
        """Whether a rendered message is one of the sender's approved templates, filled."""
        message = msgspec.json.decode(line_message)
        forms = await self._forms.get(sender_id, now) or ()
        return any(matches(message, form) for form in forms)

    async def _load_named(self, key: tuple[int, str]) -> list[Approved] | None:
        sender_id, name = key
        async with self._pool.acquire() as conn:
            return list(await approved_templates(conn, sender_id, name)) or None

    async def _load_forms(self, sender_id: int) -> list[Any] | None:
        async with self._pool.acquire() as conn:
            rows = await approved_templates(conn, sender_id)
        return [msgspec.json.decode(row.form) for row in rows] or None
