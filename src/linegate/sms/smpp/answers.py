"""What an SMSC's answers mean: command status to outcome, receipt state to status and error.

Numbers are SMPP 3.4's, section 5.1.3 (command status) and 5.2.28, Appendix B (message states).
"""

from linegate.domain.outcome import Outcome, OutcomeKind

__all__ = ["BUSY", "OK", "STATES", "STATUSES", "TEMPORARY", "is_throttle", "outcome_of", "state_of"]

OK = 0x00
TEMPORARY = 0x64  # ESME_RX_T_APPN: what we answer when a receipt could not be kept
BUSY = (0x14, 0x58)  # the route is slowed, the message is not at fault

_SLOWED = OutcomeKind.SLOWED
_UNSENT = OutcomeKind.UNSENT
_REFUSED = OutcomeKind.REFUSED
_UNAUTHORISED = OutcomeKind.UNAUTHORISED

# status: what follows, status and error of the final report, name.
# Unsent: the SMSC says it has not taken the message for a reason that passes.
STATUSES: dict[int, tuple[OutcomeKind, int, int, str]] = {
    0x00: (OutcomeKind.ACCEPTED, 0, 0, "ESME_ROK"),
    0x01: (_REFUSED, 25, 355, "ESME_RINVMSGLEN"),
    0x02: (_REFUSED, 4, 500, "ESME_RINVCMDLEN"),
    0x03: (_REFUSED, 4, 500, "ESME_RINVCMDID"),
    0x04: (_UNSENT, 4, 500, "ESME_RINVBNDSTS"),
    0x05: (_UNSENT, 4, 500, "ESME_RALYBND"),
    0x06: (_REFUSED, 4, 500, "ESME_RINVPRTFLG"),
    0x07: (_REFUSED, 4, 500, "ESME_RINVREGDLVFLG"),
    0x08: (_UNSENT, 4, 500, "ESME_RSYSERR"),
    0x0A: (_REFUSED, 11, 368, "ESME_RINVSRCADR"),
    0x0B: (_REFUSED, 52, 351, "ESME_RINVDSTADR"),
    0x0C: (_REFUSED, 4, 500, "ESME_RINVMSGID"),
    0x0D: (_UNAUTHORISED, 4, 433, "ESME_RBINDFAIL"),
    0x0E: (_UNAUTHORISED, 4, 433, "ESME_RINVPASWD"),
    0x0F: (_UNAUTHORISED, 4, 433, "ESME_RINVSYSID"),
    0x11: (_REFUSED, 4, 500, "ESME_RCANCELFAIL"),
    0x13: (_REFUSED, 4, 500, "ESME_RREPLACEFAIL"),
    0x14: (_SLOWED, 4, 500, "ESME_RMSGQFUL"),
    0x15: (_REFUSED, 4, 500, "ESME_RINVSERTYP"),
    0x33: (_REFUSED, 4, 351, "ESME_RINVNUMDESTS"),
    0x34: (_REFUSED, 4, 500, "ESME_RINVDLNAME"),
    0x40: (_REFUSED, 4, 351, "ESME_RINVDESTFLAG"),
    0x42: (_REFUSED, 4, 500, "ESME_RINVSUBREP"),
    0x43: (_REFUSED, 24, 500, "ESME_RINVESMCLASS"),
    0x44: (_REFUSED, 4, 500, "ESME_RCNTSUBDL"),
    0x45: (_REFUSED, 4, 4097, "ESME_RSUBMITFAIL"),
    0x48: (_REFUSED, 11, 368, "ESME_RINVSRCTON"),
    0x49: (_REFUSED, 11, 368, "ESME_RINVSRCNPI"),
    0x50: (_REFUSED, 52, 351, "ESME_RINVDSTTON"),
    0x51: (_REFUSED, 52, 351, "ESME_RINVDSTNPI"),
    0x53: (_REFUSED, 4, 500, "ESME_RINVSYSTYP"),
    0x54: (_REFUSED, 4, 500, "ESME_RINVREPFLAG"),
    0x55: (_REFUSED, 4, 500, "ESME_RINVNUMMSGS"),
    0x58: (_SLOWED, 4, 500, "ESME_RTHROTTLED"),
    0x61: (_REFUSED, 4, 500, "ESME_RINVSCHED"),
    0x62: (_REFUSED, 4, 4098, "ESME_RINVEXPIRY"),
    0x63: (_REFUSED, 4, 500, "ESME_RINVDFTMSGID"),
    0x64: (_UNSENT, 4, 500, "ESME_RX_T_APPN"),
    0x65: (_REFUSED, 4, 500, "ESME_RX_P_APPN"),
    0x66: (_REFUSED, 4, 500, "ESME_RX_R_APPN"),
    0x67: (_REFUSED, 4, 500, "ESME_RQUERYFAIL"),
    0xC0: (_REFUSED, 4, 500, "ESME_RINVOPTPARSTREAM"),
    0xC1: (_REFUSED, 4, 500, "ESME_ROPTPARNOTALLWD"),
    0xC2: (_REFUSED, 4, 500, "ESME_RINVPARLEN"),
    0xC3: (_REFUSED, 4, 500, "ESME_RMISSINGOPTPARAM"),
    0xC4: (_REFUSED, 4, 500, "ESME_RINVOPTPARAMVAL"),
    0xFE: (_REFUSED, 9, 32, "ESME_RDELIVERYFAILURE"),
    0xFF: (_REFUSED, 4, 255, "ESME_RUNKNOWNERR"),
}

# word of a text receipt: number of the message_state TLV, status, error.
STATES: dict[str, tuple[int, int, int]] = {
    "ENROUTE": (1, 3, 0),
    "DELIVRD": (2, 5, 0),
    "EXPIRED": (3, 15, 4098),
    "DELETED": (4, 9, 32),
    "UNDELIV": (5, 9, 32),
    "ACCEPTD": (6, 3, 0),
    "UNKNOWN": (7, 9, 255),
    "REJECTD": (8, 4, 500),
}
_BY_NUMBER = {number: word for word, (number, _, _) in STATES.items()}
_BY_NUMBER[0] = "ENROUTE"  # SCHEDULED, of SMPP 5.0
_BY_NUMBER[9] = "UNDELIV"  # SKIPPED, of SMPP 5.0
_SAYS_MORE = {  # what other SMSCs write for the same states
    "DELIVERED": "DELIVRD",
    "UNDELIVERABLE": "UNDELIV",
    "FAILED": "UNDELIV",
    "REJECTED": "REJECTD",
    "ACCEPTED": "ACCEPTD",
    "BUFFERED": "ENROUTE",
    "SCHEDULED": "ENROUTE",
}


def outcome_of(status: int) -> Outcome:
    """What the SMSC's answer to a submit means. An unknown or vendor's own status refuses."""
    kind, final, error, name = STATUSES.get(status, (_REFUSED, 4, 500, f"status 0x{status:08x}"))
    return Outcome(kind, error=error, status=final, code=min(status, 0x7FFF), detail=name)


def is_throttle(status: int) -> bool:
    """Whether the SMSC asks for a slower pace."""
    return status in BUSY


def state_of(word: str | int) -> tuple[str, int, int]:
    """A receipt's state as word, status and error.

    An unknown one counts as a failure that nobody can explain: it ends the wait, and is visible.
    """
    if isinstance(word, int):
        name = _BY_NUMBER.get(word, "UNKNOWN")
    else:
        name = _SAYS_MORE.get(word.upper(), word.upper())
    _, status, error = STATES.get(name, STATES["UNKNOWN"])
    return name, status, error
