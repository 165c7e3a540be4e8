"""Why a sender stands still, in words that say what to do."""

from dataclasses import dataclass

from linegate.domain.circuit import Hold

__all__ = ["HOLDS", "HoldWords"]


@dataclass(frozen=True, slots=True)
class HoldWords:
    """badge: for a list; what: after "is held: "; then: how it goes on."""

    badge: str
    what: str
    then: str


HOLDS: dict[str, HoldWords] = {
    Hold.PAUSED.value: HoldWords("paused", "paused", "It goes on when somebody resumes it."),
    Hold.UNAUTHORISED.value: HoldWords(
        "token refused",
        "LINE refuses its access token",
        "Ask LINE about it below, and correct the channel's secret or token under Change. "
        "One message tries again by itself, and all goes on when LINE takes it.",
    ),
    Hold.UNREACHABLE.value: HoldWords(
        "LINE fails",
        "LINE does not answer, or answers with errors",
        "One message tries again at a time, and all goes on with LINE's first good answer. "
        "If LINE is well, look at this machine's way out to it.",
    ),
    Hold.FORBIDDEN.value: HoldWords(
        "not allowed",
        "LINE says that it may not send these messages",
        "The account must be allowed notification messages by LINE. It is not asked again until "
        "somebody resumes the sender.",
    ),
    Hold.MONTHLY_LIMIT.value: HoldWords(
        "month used up",
        "its number of messages for this month is used up",
        "It goes on with the next month (UTC+9), or when the plan is raised and somebody "
        "resumes the sender.",
    ),
}
"""By the value of a hold."""
