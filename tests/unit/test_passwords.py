"""Guesses at a password: who they keep out."""

from datetime import UTC, datetime, timedelta

from linegate.api.passwords import Passwords, TooManyGuesses, hash_password

NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
STORED = hash_password("correct horse battery")
HOME, ELSEWHERE = "192.0.2.1", "203.0.113.9"


async def tried(passwords: Passwords, password: str, address: str, at: datetime) -> str:
    found = await passwords.are_right("alice", password, stored=STORED, address=address, now=at)
    return "slowed" if isinstance(found, TooManyGuesses) else "in" if found else "wrong"


async def test_guesses_from_elsewhere_keep_nobody_out_where_they_have_been_in() -> None:
    passwords = Passwords()
    later = NOW + timedelta(hours=1)  # the password is not remembered any more
    assert await tried(passwords, "correct horse battery", HOME, NOW) == "in"
    guesses = [await tried(passwords, f"guess {n}", ELSEWHERE, later) for n in range(11)]
    assert guesses == ["wrong"] * 10 + ["slowed"]
    assert await tried(passwords, "correct horse battery", HOME, later) == "in"


async def test_guesses_from_home_are_slowed_as_well() -> None:
    passwords = Passwords()
    later = NOW + timedelta(hours=1)
    assert await tried(passwords, "correct horse battery", HOME, NOW) == "in"
    guesses = [await tried(passwords, f"guess {n}", HOME, later) for n in range(11)]
    assert guesses == ["wrong"] * 10 + ["slowed"]
