"""GET /line/1/reports."""

from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import Refused, authorise
from linegate.api.directory import Directory
from linegate.api.problems import accepts_xml
from linegate.clock import Clock
from linegate.domain.keys import SEND
from linegate.domain.violation import Violation
from linegate.report.bodies import encode_reports
from linegate.report.puller import Puller

__all__ = ["Reports"]

_LIMIT = 50
_MOST = 1000
_LONGEST = 255


class Reports:
    """Hands out an account's reports, each once."""

    def __init__(self, directory: Directory, puller: Puller, clock: Clock) -> None:
        """Pull through `puller`."""
        self._directory = directory
        self._puller = puller
        self._clock = clock

    async def __call__(self, request: Request) -> Response:
        """Answer `{"results": [...]}`.

        Source: published operation get-outbound-line-message-delivery-reports.
        """
        caller = await authorise(request, self._directory, SEND, self._clock.now())
        asked = request.query_params
        violations: list[Violation] = []
        limit = _limit(asked.get("limit"), violations)
        names = ("messageId", "bulkId", "entityId", "applicationId", "campaignReferenceId")
        texts = [_text(name, asked.get(name), violations) for name in names]
        if violations:
            raise Refused(400, violations)
        message_id, bulk_id, entity_id, application_id, campaign = texts
        reports = await self._puller.pull(
            caller.account_id,
            limit=limit,
            message_id=message_id,
            bulk_id=bulk_id,
            entity_id=caller.entity_id(entity_id),
            application_id=caller.application_id(application_id),
            campaign=campaign,
        )
        is_xml = accepts_xml(request.headers.get("accept"))
        media_type = "application/xml" if is_xml else "application/json"
        body = encode_reports(reports, media_type)
        return Response(body, media_type=media_type, headers={"Vary": "Accept"})


def _limit(text: str | None, violations: list[Violation]) -> int:
    if text is None:
        return _LIMIT
    if text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= _MOST:
        return int(text)
    violations.append(Violation("limit", f"must be a whole number from 1 to {_MOST}"))
    return _LIMIT


def _text(name: str, text: str | None, violations: list[Violation]) -> str | None:
    if text is None:
        return None
    if len(text) > _LONGEST or "\x00" in text:
        violations.append(
            Violation(name, f"must be at most {_LONGEST} characters, none of them NUL")
        )
    return text
