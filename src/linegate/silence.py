"""How long the kernel bears the silence of the other end of a connection.

By default it goes on for a quarter of an hour with what was written, even after the program has
given the connection up and closed it: what was repeated elsewhere long ago would then arrive after
all. And a connection on which nothing is written notices nothing for two hours.
"""

import socket

__all__ = ["bear_silence"]


def bear_silence(wire: socket.socket, seconds: float) -> None:
    """Give a TCP connection up after so many seconds of silence; does nothing to another kind.

    What was written and not taken by then never arrives. An idle connection is asked after half of
    it, and then three times.
    """
    if wire.family not in (socket.AF_INET, socket.AF_INET6):
        return
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wanted = {
        "TCP_KEEPIDLE": int(seconds / 2) or 1,
        "TCP_KEEPINTVL": int(seconds / 6) or 1,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": int(seconds * 1000),
    }
    for name, value in wanted.items():
        if hasattr(socket, name):  # Linux has all of them
            wire.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
