"""The configuration: what wins, what is understood, and what stops the start."""

from datetime import timedelta
from pathlib import Path

import pytest

from linegate.config import ConfigError, Settings, load
from linegate.config_options import OPTIONS, default_file, describe

ROOT = Path(__file__).parents[2]
KEY = "cGxlbnR5IG9mIGJ5dGVzIGZvciBhIGtleSwgMzIgYnl0"


def settings(text: str = "", tmp_path: Path | None = None, /, **environment: str) -> Settings:
    file = None
    if tmp_path is not None:
        file = tmp_path / "linegate.toml"
        file.write_text(text)
    return load(file, environment=environment)


def problems(text: str = "", tmp_path: Path | None = None, /, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        settings(text, tmp_path, **environment)
    return caught.value.problems


def test_without_anything_the_documented_defaults_hold() -> None:
    found = settings()
    assert found.port == 8080
    assert found.line_api_url == "https://api.line.me"
    assert found.resend_unknown_after == timedelta(seconds=120)
    assert (found.lease_for, found.line_timeout) == (timedelta(seconds=15), timedelta(seconds=10))
    assert found.body_limit == 10 * 1024 * 1024
    assert found.webhook_allow_private is False
    assert found.is_embedded


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    file = tmp_path / "linegate.toml"
    file.write_text("port = 1\nhost = 'file'\nworkers = 3\n")
    environment = {
        "LINEGATE_CONFIG": str(file),
        "LINEGATE_PORT": "2",
        "LINEGATE_HOST": "environment",
        "PATH": "/usr/bin",
    }
    found = load(environment=environment, overrides={"port": 3, "host": None})
    assert (found.port, found.host, found.workers) == (3, "environment", 3)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("120", 120), ("0", 0), ("500ms", 0.5), ("2m", 120), ("1.5h", 5400), ("1d", 86400)],
)
def test_times_are_seconds_or_carry_a_unit(given: str, seconds: float) -> None:
    found = settings(LINEGATE_RESEND_UNKNOWN_AFTER=given)
    assert found.resend_unknown_after == timedelta(seconds=seconds)


@pytest.mark.parametrize(("given", "size"), [("4096", 4096), ("4KB", 4096), ("1mb", 1024**2)])
def test_sizes_are_bytes_or_carry_a_unit(given: str, size: int) -> None:
    assert settings(LINEGATE_BODY_LIMIT=given).body_limit == size


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "eighty"),
        ("PORT", ""),
        ("LINE_TIMEOUT", "soon"),
        ("LINE_TIMEOUT", "-1"),
        ("LINE_TIMEOUT", "15s"),
        ("LEASE_FOR", "16s"),
        ("IN_FLIGHT", "257"),
        ("BODY_LIMIT", "1"),
        ("BODY_LIMIT", "10 apples"),
        ("LINE_API_URL", "api.line.me"),
        ("LINE_API_URL", "https://api.line.me?x=1"),
        ("WEBHOOK_ALLOW_PRIVATE", "perhaps"),
        ("LOG_LEVEL", "loud"),
        ("RETENTION_DAYS", "1.5"),
        ("DATABASE_URL", "postgresql://db/linegate"),
    ],
)
def test_a_bad_or_contradictory_value_stops_the_start(variable: str, value: str) -> None:
    (problem,) = problems(**{f"LINEGATE_{variable}": value})
    assert variable.lower() in problem


def test_every_problem_is_said_at_once_with_its_line_or_variable(tmp_path: Path) -> None:
    text = "# a comment\nport = 8080\nprot = 1\nworkers = true\n[line]\n"
    found = problems(text, tmp_path, LINEGATE_HOTS="x", LINEGATE_LOG_LEVEL="loud")
    file = tmp_path / "linegate.toml"
    assert found == [
        f"{file}, line 3: there is no option prot; do you mean port?",
        f"{file}, line 5: there is no option line",
        "LINEGATE_HOTS: there is no such option; do you mean host?",
        f"{file}, line 4: workers must be a whole number, not True",
        "LINEGATE_LOG_LEVEL: log_level must be one of debug, info, warning, error, not 'loud'",
    ]


def test_a_file_that_is_missing_or_broken_stops_the_start(tmp_path: Path) -> None:
    assert "line 1" in problems("port = = 1", tmp_path)[0]
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "absent.toml", environment={})


def test_a_secret_can_be_given_as_a_file_but_not_twice(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text(KEY + "\n")
    assert settings(LINEGATE_SECRET_KEY_FILE=str(secret)).secret_key == KEY
    (twice,) = problems(LINEGATE_SECRET_KEY_FILE=str(secret), LINEGATE_SECRET_KEY=KEY)
    assert twice == "LINEGATE_SECRET_KEY_FILE: LINEGATE_SECRET_KEY is set too"
    (missing,) = problems(LINEGATE_SECRET_KEY_FILE=str(tmp_path / "absent"))
    assert missing.startswith("LINEGATE_SECRET_KEY_FILE: ")
    assert problems(LINEGATE_PORT_FILE=str(secret))[0].startswith("LINEGATE_PORT_FILE: there is no")


def test_an_external_database_needs_the_secret_key() -> None:
    url = "postgresql://linegate@db/linegate"
    assert not settings(LINEGATE_DATABASE_URL=url, LINEGATE_SECRET_KEY=KEY).is_embedded


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    url = "postgresql://linegate:hunter2@db/linegate"
    found = settings(LINEGATE_DATABASE_URL=url, LINEGATE_SECRET_KEY=KEY)
    shown = repr(found) + str(found.effective())
    assert "hunter2" not in shown
    assert KEY not in shown


def test_what_kubernetes_sets_for_a_service_of_our_name_is_no_option_of_ours() -> None:
    foreign = {
        "LINEGATE_SERVICE_HOST": "10.0.0.1",
        "LINEGATE_SERVICE_PORT_HTTP": "8080",
        "LINEGATE_PORT_8080_TCP_ADDR": "10.0.0.1",
    }
    assert settings(**foreign).port == 8080
    (problem,) = problems(LINEGATE_PORT="tcp://10.0.0.1:8080")
    assert "enableServiceLinks" in problem


def test_the_secrets_of_a_command_may_stand_in_the_environment() -> None:
    assert (
        settings(LINEGATE_CHANNEL_SECRET="s", LINEGATE_ACCESS_TOKEN="t", LINEGATE_SMS_URL="u")
        == settings()
    )


def test_the_shipped_default_file_is_the_generated_one_and_changes_nothing(tmp_path: Path) -> None:
    assert (ROOT / "config.default.toml").read_text() == default_file()
    lines = default_file().splitlines()
    switched_on = "\n".join(
        line.removeprefix("#") if line[:2] != "# " else line
        for line in lines
        if "#home" not in line
    )
    assert settings(switched_on, tmp_path) == settings()


def test_every_option_is_described() -> None:
    rows = describe()
    assert [row["option"] for row in rows] == [option.name for option in OPTIONS]
    assert all(row["meaning"] and row["unit"] for row in rows)
    assert {row["variable"] for row in rows} >= {"LINEGATE_HOME", "LINEGATE_SMS_RESEND_UNKNOWN"}
