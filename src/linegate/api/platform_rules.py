"""What a key gives its requests: applicationId and entityId, filled in or forced.

Source: published `platform` rules of API keys (FACTS B4.2).
"""

from linegate.api.schemas import LineRequest, MessageOptions, Platform
from linegate.domain.caller import Caller

__all__ = ["apply_platform"]


def apply_platform(request: LineRequest, caller: Caller) -> None:
    """Write the caller's rules into every message of a request."""
    if caller.application is None and caller.entity is None:
        return
    for message in request.messages:
        options = message.options or MessageOptions()
        given = options.platform or Platform()
        options.platform = Platform(
            entity_id=caller.entity_id(given.entity_id),
            application_id=caller.application_id(given.application_id),
        )
        message.options = options
