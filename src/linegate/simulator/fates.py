"""What becomes of a message, chosen by the last two digits of its number.

00-79 are delivered at once. 8x: LINE takes the message, but the delivery event is odd, or
the answer is lost. 9x: LINE does not deliver it. The table is the reference: the page
`docs/reference/sandbox.md` and `GET /simulator/fates` show these rows.
"""

from dataclasses import dataclass

__all__ = ["BY_NAME", "CLOSED", "DELIVERED", "FATES", "NO_ANSWER", "SWITCHES", "Fate", "fate_of"]


@dataclass(frozen=True, slots=True)
class Fate:
    """One row of the table. Durations are seconds, before `delay_factor`.

    digits:       the last two digits that choose it; empty = only by the switch.
    answer:       HTTP status; 0 = the endpoint's own success; -1 = none, the request hangs;
                  -2 = none, the connection is closed.
    text:         `message` of the error body.
    processed:    the message was taken, so a phone may show it.
    events:       how many delivery events follow (0, 1 or 2 equal ones).
    event_after:  when the phone has the message, counted from the request.
    answer_after: when the answer leaves.
    early:        the event is sent before the answer.
    overtaken:    the event waits until a later message's event has been queued.
    once:         this happens to the first of two requests for a number, the second is normal.
    """

    digits: str
    name: str
    means: str
    answer: int = 0
    text: str = ""
    processed: bool = True
    events: int = 1
    event_after: float = 0.0
    answer_after: float = 0.0
    early: bool = False
    overtaken: bool = False
    once: bool = False


NO_ANSWER = -1
CLOSED = -2

RATE_LIMITED = "The API rate limit has been exceeded. Try again later."
MONTHLY_LIMIT = "You have reached your monthly limit."
NOT_SENT = "Failed to send messages"
NOT_AVAILABLE = "Access to this API is not available for your account"
UNAUTHORISED = (
    "Authentication failed due to the following reason: invalid token. "
    "Confirm that the access token in the authorization header is valid."
)
BAD_DIGEST = "The request body has 1 error(s)"
SERVER_ERROR = "Internal server error"

DELIVERED = Fate("00-79", "delivered", "taken, delivered at once")


def _failed(digits: str, name: str, means: str, answer: int, text: str = "") -> Fate:
    return Fate(digits, name, means, answer, text, processed=False, events=0)


FATES: tuple[Fate, ...] = (
    DELIVERED,
    Fate("80", "late", "taken, delivered after 5 s", event_after=5),
    Fate("81", "very_late", "taken, delivered after 60 s", event_after=60),
    Fate("82", "silent", "taken, never delivered, no event (the user blocked you)", events=0),
    Fate("83", "twice", "taken, delivered once, the same event comes twice", events=2),
    Fate("84", "early", "taken, the delivery event comes before the answer", early=True),
    Fate(
        "85",
        "overtaken",
        "taken, the event comes after a later message's event (or 2 s)",
        overtaken=True,
    ),
    Fate("86", "slow", "taken, but the answer takes 3 s; delivered then", 0, "", answer_after=3),
    Fate("87", "error_taken", "answered 500, and yet taken and delivered", 500, SERVER_ERROR),
    Fate("88", "no_answer_taken", "no answer in time, and yet taken and delivered", NO_ANSWER),
    Fate("89", "closed_taken", "connection closed, and yet taken and delivered", CLOSED),
    _failed("90", "refused", "422: not a reachable LINE user", 422, NOT_SENT),
    _failed("91", "invalid", "400: the request is faulty", 400, BAD_DIGEST),
    _failed("92", "unauthorised", "401: the token is not valid", 401, UNAUTHORISED),
    _failed("93", "forbidden", "403: the account may not use this API", 403, NOT_AVAILABLE),
    Fate(
        "94",
        "rate_limited_once",
        "429 rate limit, then taken at the next try",
        429,
        RATE_LIMITED,
        processed=False,
        events=0,
        once=True,
    ),
    _failed("95", "monthly_limit", "429: the month's quota is used up", 429, MONTHLY_LIMIT),
    _failed("96", "error", "answered 500, not taken", 500, SERVER_ERROR),
    _failed("97", "no_answer", "no answer in time, not taken", NO_ANSWER),
    _failed("98", "closed", "connection closed, not taken", CLOSED),
    Fate(
        "99",
        "error_once",
        "500 and not taken, then taken at the next try",
        500,
        SERVER_ERROR,
        processed=False,
        events=0,
        once=True,
    ),
    _failed("", "rate_limited", "429 rate limit, every time (by switch only)", 429, RATE_LIMITED),
)

BY_NAME: dict[str, Fate] = {fate.name: fate for fate in FATES}

# Words for `PUT /simulator/fate` besides the names; None = as the number says.
SWITCHES: dict[str, Fate | None] = {
    "normal": None,
    "400": BY_NAME["invalid"],
    "401": BY_NAME["unauthorised"],
    "403": BY_NAME["forbidden"],
    "422": BY_NAME["refused"],
    "429": BY_NAME["rate_limited"],
    "500": BY_NAME["error"],
    **BY_NAME,
}

_BY_DIGITS: dict[str, Fate] = {fate.digits: fate for fate in FATES if len(fate.digits) == 2}


def fate_of(number: str | None) -> Fate:
    """The fate of a number; an unknown one (None) is delivered at once."""
    if number is None:
        return DELIVERED
    return _BY_DIGITS.get(number[-2:], DELIVERED)
