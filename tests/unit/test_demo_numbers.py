"""The numbers that `make demo` and `make bench` send to have the fates that they count on."""

import importlib.util
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType

import pytest

from linegate.phones.countries import LINE_COUNTRIES, country_of
from linegate.simulator.fates import fate_of

ROOT = Path(__file__).resolve().parents[2]

# How each role of the demo is called in the simulator's table.
FATES = {
    "00": "delivered",
    "80": "late",
    "82": "silent",
    "83": "twice",
    "84": "early",
    "85": "overtaken",
    "86": "slow",
    "87": "error_taken",
    "90": "refused",
    "99": "error_once",
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> ModuleType:
    """A module of a folder that is no package; its classes look for it where imports are kept."""
    path = ROOT / request.param
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("script", ["demo/parcel.py"], indirect=True)
def test_every_number_of_the_demo_is_valid_and_has_the_fate_of_its_role(script: ModuleType) -> None:
    cast = script.destinations()
    assert len(cast) == sum(role.numbers for role in script.CAST) == 2000
    for number, role in cast.items():
        assert country_of(number) in LINE_COUNTRIES
        assert fate_of(number).name == FATES[role.digits[0]]


@pytest.mark.parametrize("script", ["bench/load.py"], indirect=True)
def test_the_bench_has_numbers_for_four_times_its_messages_all_delivered_at_once(
    script: ModuleType,
) -> None:
    found = list(islice(script.numbers(0), 240_000))
    assert len(set(found)) == 240_000
    assert {fate_of(number).name for number in found} == {"delivered"}
    assert {country_of(number) for number in found} == LINE_COUNTRIES


@pytest.mark.parametrize("script", ["bench/load.py"], indirect=True)
def test_a_request_of_the_bench_is_one_that_the_api_takes(script: ModuleType) -> None:
    from linegate.api.explain import read_request
    from support.clock import FakeClock

    job = script.Job("127.0.0.1", 1, "key", ["BENCH1"], requests=2, per_request=3, connections=1)
    for body in script.bodies_of(job):
        asked = read_request(body, FakeClock().now())
        assert not isinstance(asked, list)
        assert len(asked.messages[0].destinations) == 3
