"""The embedded server has room for what will connect to it."""

import pytest

from linegate.postgres.embedded_settings import room_for

_LOCKS_OF_A_YEAR = 10_000


@pytest.mark.parametrize("ours", [0, 27, 60, 200, 800])
def test_room_grows_with_the_connections_and_locks_suffice_at_any_size(ours: int) -> None:
    settings = {name: int(value) for name, value in room_for(ours).items()}
    assert settings["max_connections"] >= max(60, ours + 10)
    locks = settings["max_connections"] * settings["max_locks_per_transaction"]
    assert 3 * _LOCKS_OF_A_YEAR <= locks <= 60_000
