"""Structure rules of Flex containers that LINE's schema does not express."""

from typing import Any

from linegate.simulator.answers import Detail

__all__ = ["flex_problems"]


def flex_problems(container: dict[str, Any]) -> list[Detail]:
    """Everything wrong with a container that the schema let through."""
    return []
