"""Public statuses and errors of a message: one table each.

The ids, names and groups are those of the published registry, so that a client
that already reads them needs no change. Descriptions are ours unless the
registry's own samples show one. Nothing is stored but the ids.

Source: the published status and error registry (docs/reference/statuses.md).
"""

from dataclasses import dataclass

__all__ = ["ERRORS", "STATUSES", "ErrorCode", "Status"]


@dataclass(frozen=True, slots=True)
class Status:
    """What has become of a message, as the client sees it."""

    id: int
    name: str
    group_id: int
    group_name: str
    description: str


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """Why it became so; id 0 is "no error"."""

    id: int
    name: str
    group_id: int
    group_name: str
    description: str
    permanent: bool


_PENDING = (1, "PENDING")
_UNDELIVERABLE = (2, "UNDELIVERABLE")
_DELIVERED = (3, "DELIVERED")
_EXPIRED = (4, "EXPIRED")
_REJECTED = (5, "REJECTED")

_OK = (0, "OK")
_HANDSET = (1, "HANDSET_ERRORS")
_USER = (2, "USER_ERRORS")
_OPERATOR = (3, "OPERATOR_ERRORS")


# id, name, group, description; 87 is left out: the registry gives it two meanings.
_STATUS_ROWS: tuple[tuple[int, str, tuple[int, str], str], ...] = (
    (
        3,
        "PENDING_WAITING_DELIVERY",
        _PENDING,
        "Handed over, delivery report from downstream still awaited",
    ),
    (7, "PENDING_ENROUTE", _PENDING, "Message sent to next instance"),
    (26, "PENDING_ACCEPTED", _PENDING, "Message sent to next instance"),
    (4, "UNDELIVERABLE_REJECTED_OPERATOR", _UNDELIVERABLE, "Downstream refused the message"),
    (9, "UNDELIVERABLE_NOT_DELIVERED", _UNDELIVERABLE, "Message sent not delivered"),
    (31, "UNDELIVERABLE_NOT_SENT", _UNDELIVERABLE, "Message was not sent"),
    (
        2,
        "DELIVERED_TO_OPERATOR",
        _DELIVERED,
        "Reached the downstream system; handset delivery still unknown",
    ),
    (5, "DELIVERED_TO_HANDSET", _DELIVERED, "Message delivered to handset"),
    (15, "EXPIRED_EXPIRED", _EXPIRED, "Validity ran out while the message was pending"),
    (29, "EXPIRED_DLR_UNKNOWN", _EXPIRED, "Validity ran out and no delivery report ever came"),
    (6, "REJECTED_NETWORK", _REJECTED, "Network not covered or not set up for the account"),
    (8, "REJECTED_PREFIX_MISSING", _REJECTED, "Number prefix/length not recognised"),
    (10, "REJECTED_DND", _REJECTED, "Recipient is on a do-not-disturb list"),
    (11, "REJECTED_SOURCE", _REJECTED, "Sender not registered on the account"),
    (12, "REJECTED_NOT_ENOUGH_CREDITS", _REJECTED, "No credit left"),
    (13, "REJECTED_SENDER", _REJECTED, "Sender blocked on the account"),
    (
        14,
        "REJECTED_DESTINATION_BLOCKLISTED",
        _REJECTED,
        "Destination blocked (operator request or account list)",
    ),
    (17, "REJECTED_PREPAID_PACKAGE_EXPIRED", _REJECTED, "Prepaid credit past its validity"),
    (
        18,
        "REJECTED_DESTINATION_NOT_REGISTERED",
        _REJECTED,
        "Trial account limited to its own test number",
    ),
    (
        19,
        "REJECTED_ROUTE_NOT_AVAILABLE",
        _REJECTED,
        "No route configured for the account/destination",
    ),
    (
        20,
        "REJECTED_FLOODING_FILTER",
        _REJECTED,
        "Flood filter: more than 6 identical or 20 different messages per number per hour",
    ),
    (21, "REJECTED_SYSTEM_ERROR", _REJECTED, "Internal error before submission; retry"),
    (23, "REJECTED_DUPLICATE_MESSAGE_ID", _REJECTED, "MessageId already used"),
    (24, "REJECTED_INVALID_UDH", _REJECTED, "Bad SMS UDH"),
    (25, "REJECTED_MESSAGE_TOO_LONG", _REJECTED, "More than 25 SMS parts or 4000 bytes"),
    (51, "MISSING_TO", _REJECTED, "No recipient given"),
    (52, "REJECTED_DESTINATION", _REJECTED, "Recipient number invalid (prefix or length)"),
    (
        100,
        "UNDELIVERABLE_REJECTED_PLATFORM",
        _REJECTED,
        "Request invalid/malformed or platform temporarily unavailable",
    ),
)

# id, name, group, permanent, description; 4102 is left out for the same reason.
_ERROR_ROWS: tuple[tuple[int, str, tuple[int, str], bool, str], ...] = (
    (0, "NO_ERROR", _OK, False, "No Error"),
    (1, "EC_UNKNOWN_SUBSCRIBER", _HANDSET, True, "SMS: subscriber unknown to the network"),
    (5, "EC_UNIDENTIFIED_SUBSCRIBER", _HANDSET, False, "SMS: subscriber cannot be identified"),
    (6, "EC_ABSENT_SUBSCRIBER_SM", _HANDSET, False, "SMS: phone unreachable (off, no coverage)"),
    (27, "EC_ABSENT_SUBSCRIBER", _HANDSET, False, "SMS: phone unreachable (off, no coverage)"),
    (32, "EC_SM_DELIVERY_FAILURE", _HANDSET, False, "SMS: delivery to handset failed"),
    (255, "EC_UNKNOWN_ERROR", _HANDSET, False, "Unspecified error"),
    (256, "EC_SM_DF_MEMORYCAPACITYEXCEEDED", _HANDSET, False, "SMS: handset inbox full"),
    (500, "EC_PROVIDER_GENERAL_ERROR", _HANDSET, False, "SMS: generic protocol error at operator"),
    (502, "EC_NO_RESPONSE", _HANDSET, False, "SMS: no answer from operator"),
    (
        351,
        "EC_INVALID_DESTINATION_ADDRESS",
        _USER,
        False,
        "Destination address invalid at operator",
    ),
    (
        352,
        "EC_INVALID_REQUEST_DESTINATION",
        _USER,
        True,
        "Country code of destination not recognised",
    ),
    (355, "EC_MSG_TEXT_TOO_LONG", _USER, True, "Text too long"),
    (368, "EC_INVALID_SOURCE_ADDRESS", _USER, True, "Source address refused"),
    (433, "EC_ACCOUNT_ACCESS_DENIED", _USER, True, "Account access denied"),
    (2052, "EC_BLACKLISTED_DESTINATIONADDRESS", _USER, True, "Destination blocklisted"),
    (2053, "EC_BLACKLISTED_SENDERADDRESS", _USER, True, "Sender blocklisted"),
    (3041, "EC_DEACTIVATED_LIST", _USER, True, "Number deactivated"),
    (4099, "EC_MONTHLY_LIMIT_REACHED", _USER, True, "Monthly account limit reached"),
    (4100, "EC_MESSAGE_CANCELED", _USER, True, "Expired before it could be handed to the next hop"),
    (4101, "EC_VALIDITY_EXPIRED", _USER, True, "Handed over but not delivered within validity"),
    (4103, "EC_DESTINATION_FLOODING", _USER, True, "Flood filter per destination"),
    (4104, "EC_DESTINATION_TXT_FLOODING", _USER, True, "Flood filter, identical text"),
    (2048, "EC_TIME_OUT", _OPERATOR, False, "Time out"),
    (2050, "EC_DEST_ADDRESS_BLACKLISTED", _OPERATOR, True, "Destination on do-not-disturb list"),
    (4097, "EC_NOTSUBMITTEDTOGMSC", _OPERATOR, False, "Not handed to any operator"),
    (4098, "EC_VP_EXPIRED", _OPERATOR, False, "SMS validity period ran out"),
    (5492, "EC_DUPLICATE_MESSAGE", _OPERATOR, True, "Same message already sent to the number"),
    (7001, "EC_UNKNOWN_APPLICATION", _HANDSET, True, "Sending application/channel not known"),
    (7002, "EC_UNKNOWN_USER", _HANDSET, True, "Recipient has no account on the chat app"),
    (7003, "EC_BLOCKED_USER", _HANDSET, True, "Recipient blocked the sender / opted out"),
    (7004, "EC_UNAUTHORIZED_ACCESS", _HANDSET, True, "Credentials refused by the chat platform"),
    (
        7005,
        "EC_FORBIDDEN_ACCESS",
        _HANDSET,
        True,
        "Platform forbids this operation for the account",
    ),
    (7006, "EC_BAD_REQUEST", _HANDSET, True, "Platform rejected the request syntax or parameters"),
    (7008, "EC_INVALID_TEMPLATE_ARGS", _HANDSET, True, "Template parameters missing/invalid"),
    (7009, "EC_INVALID_TEMPLATE", _HANDSET, True, "Template invalid or unknown"),
    (
        7011,
        "EC_ACCOUNT_ISSUE",
        _HANDSET,
        True,
        "Problem with the sender account (e.g. suspended, limit)",
    ),
    (7016, "EC_SPAM_RATE", _HANDSET, True, "Sender quality/spam limit"),
    (7017, "EC_TOO_MANY_REQUESTS", _HANDSET, False, "Platform rate limit hit"),
    (7018, "EC_INTERNAL_BAD_MAPPING", _HANDSET, True, "Internal mapping error"),
    (7024, "EC_NOT_ALLOWED_SENDING_TIME", _HANDSET, False, "Sending not allowed at this time"),
    (7027, "EC_BLOCKED_CONTENT", _HANDSET, True, "Content blocked by policy"),
    (7030, "EC_TEMPLATE_BLOCKED_BY_USER", _HANDSET, True, "Recipient blocked this template"),
    (7034, "EC_SENDER_NOT_REGISTERED", _HANDSET, True, "Sender not registered with provider"),
    (
        7102,
        "EC_PHONE_MATCHING_DISABLED",
        _HANDSET,
        True,
        "Recipient disabled phone-number matching / data mismatch",
    ),
    (7201, "EC_UNSUPPORTED_DEVICE", _HANDSET, True, "Recipient device unsupported"),
    (7050, "EC_PROVIDER_INTERNAL_ERROR", _USER, False, "Provider internal error"),
    (7051, "EC_PROVIDER_TIMEOUT", _USER, False, "Provider timeout or connection failure"),
    (7052, "EC_PROVIDER_DR_ERROR", _USER, True, "Provider delivery-report fault"),
    (7080, "EC_INTERNAL_ERROR", _OPERATOR, True, "Gateway internal error"),
    (
        7081,
        "EC_CONFIGURATION_ERROR",
        _OPERATOR,
        True,
        "Sender misconfigured or not registered for the country",
    ),
    (
        7082,
        "EC_TEMPORARY_GATEWAY_ERROR",
        _OPERATOR,
        True,
        "Temporary gateway fault (flag still says permanent)",
    ),
    (7083, "EC_SERVICE_NOT_ACTIVATED", _OPERATOR, True, "Service not active for the account"),
    (7084, "EC_MISSING_SENDER_METADATA", _OPERATOR, True, "Sender metadata missing"),
    (7280, "EC_DUPLICATE_REQUEST", _OPERATOR, True, "Duplicate request"),
    (7281, "EC_BAD_ORIGIN", _OPERATOR, True, "Bad request origin"),
)

STATUSES: dict[int, Status] = {
    id_: Status(id_, name, group[0], group[1], description)
    for id_, name, group, description in _STATUS_ROWS
}
ERRORS: dict[int, ErrorCode] = {
    id_: ErrorCode(id_, name, group[0], group[1], description, permanent)
    for id_, name, group, permanent, description in _ERROR_ROWS
}
