"""The embedded server's settings, who may connect to it, and as whom.

Values only: safe on a crash (fsync and synchronous commit stay on) and quick for a queue, whose
tables are small and change all the time.
"""

import os
import pwd
from pathlib import Path

__all__ = ["ACCESS_RULES", "room_for", "server_settings", "user_map"]

_MEBIBYTE = 1024 * 1024
_FEWEST = 60  # connections
_OF_OTHERS = 20  # commands run beside it, backups, tools; and those kept for the superuser
# A statement that names no day locks the tables and indexes of all days: ten thousand of a year.
# It is 13 MB of shared memory.
_LOCKS = 512 * _FEWEST

# pg_hba.conf: the socket only; the kernel says who calls, pg_ident.conf who that may be.
ACCESS_RULES = (
    "local all all peer map=linegate\n"
    "local replication postgres peer map=linegate\n"  # for `linegate backup`
)


def user_map(account: str) -> str:
    """pg_ident.conf: the server's own account, root and whoever runs us, and nobody else."""
    callers = {account, "root", pwd.getpwuid(os.geteuid()).pw_name}
    lines = (f'linegate "{caller}" {role}\n' for caller in sorted(callers) for role in _ROLES)
    return "".join(lines)


_ROLES = ("linegate", "postgres")


def server_settings(socket_folder: Path) -> dict[str, str]:
    """Setting -> value, for `postgres -c`. The log goes to HOME/postgres/log, a file a weekday."""
    return {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_folder),
        "unix_socket_permissions": "0700",
        **room_for(0),
        "shared_buffers": f"{shared_buffers()}MB",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "wal_compression": "pglz",  # the wheel is built without lz4 and zstd
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
        "autovacuum_naptime": "10s",
        "idle_in_transaction_session_timeout": "60s",
        "timezone": "UTC",
        "logging_collector": "on",
        "log_directory": "../log",
        "log_filename": "postgresql-%a.log",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_truncate_on_rotation": "on",
        "log_timezone": "UTC",
        # Statements and their parameters carry numbers and content: they stay out of the log.
        "log_min_error_statement": "panic",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_error_verbosity": "terse",
        "log_checkpoints": "off",
        "log_autovacuum_min_duration": "-1",
    }


def room_for(connections: int) -> dict[str, str]:
    """The settings by which so many connections of ours fit, and locks on a year of days."""
    allowed = max(_FEWEST, connections + _OF_OTHERS)
    return {
        "max_connections": str(allowed),
        "max_locks_per_transaction": str(max(64, -(-_LOCKS // allowed))),
    }


def shared_buffers() -> int:
    """MiB of memory for the server's cache: an eighth of what there is, from 128 to 256."""
    return max(128, min(256, _memory() // 8 // _MEBIBYTE))


def _memory() -> int:
    """Bytes of memory that this machine or this container may use."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.exists() else "max"
    return min(whole, int(text)) if text.isdigit() else whole
