"""What `linegate up` tells its children."""

from pathlib import Path

from linegate.cli.fleet import _environment
from linegate.config import load


def test_children_read_the_configuration_file_that_up_was_given(tmp_path: Path) -> None:
    file = tmp_path / "linegate.toml"
    file.write_text("retention_days = 7\n", encoding="utf-8")
    settings = load(file, environment={})
    told = _environment(settings)
    assert load(environment={"LINEGATE_CONFIG": told["LINEGATE_CONFIG"]}).retention_days == 7


def test_children_without_a_file_are_told_of_none() -> None:
    assert load(environment={}).config_file is None
