"""The servers that a database URL names."""

import pytest

from linegate.postgres.primary import hosts_of, primary_of


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql://u:p@db.example/linegate", [("db.example", 5432)]),
        ("postgresql://u@a:6000,b:6001/x", [("a", 6000), ("b", 6001)]),
        ("postgresql://u@a,b:6001/x?sslmode=require", [("a", 5432), ("b", 6001)]),
        ("postgresql://u@[::1]:6000,[fe80::2]/x", [("::1", 6000), ("fe80::2", 5432)]),
        ("postgresql://u@/x?host=/run/a,/run/b&port=1,2", [("/run/a", 1), ("/run/b", 2)]),
        ("postgresql://u@/x?host=%2Frun%2Fa&port=7", [("/run/a", 7)]),
        ("postgresql://u@/x?host=a,b&port=7", [("a", 7), ("b", 7)]),
        ("postgresql:///x", []),
    ],
)
def test_every_server_of_a_url_is_found_in_order(dsn: str, hosts: list[tuple[str, int]]) -> None:
    assert hosts_of(dsn) == hosts


def test_one_server_leaves_no_choice_and_several_are_remembered_together() -> None:
    assert primary_of("postgresql://u@a/x") is None
    several = "postgresql://u@a,b/x"
    assert primary_of(several) is primary_of(several)
    assert primary_of(several) is not None
