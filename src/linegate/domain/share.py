"""How many of a process's places one sender or route may hold."""

__all__ = ["room_of"]


def room_of(free: int, own: int) -> int:
    """How many more places one may take that holds `own`, of `free` ones.

    None holds more than three quarters of what the others leave it: however slowly its other side
    answers, the next one finds room. And the last free place goes to whoever holds none.
    """
    return max(1, (free + own) * 3 // 4) - own
