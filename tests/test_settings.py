"""Settings are read once, name their key in errors, and each is documented."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from service.settings import PREFIX, SettingError, Settings

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
KEYS = [PREFIX + field.name.upper() for field in fields(Settings)]


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_is_documented(key):
    assert re.search(rf"^\|\s*`{key}`\s*\|[^|]+\|[^|]+\|$", README, re.MULTILINE)


def test_nothing_else_is_documented():
    # ISSUE_ROUTER_FOO in a table's first column must be a setting
    assert set(re.findall(rf"^\|\s*`({PREFIX}\w+)`", README, re.MULTILINE)) == set(KEYS)


@pytest.mark.parametrize("field", fields(Settings), ids=lambda f: f.name)
def test_every_setting_says_what_it_is_for(field):
    assert field.metadata["help"]


def test_defaults():
    settings = Settings.from_env({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.matrix.is_file()
    assert settings.rules.is_file()
    assert settings.examples.is_file()
    assert settings.state_dir.name == "var"


def test_the_environment_is_the_default(monkeypatch):
    monkeypatch.setenv("ISSUE_ROUTER_PORT", "9001")
    assert Settings.from_env().port == 9001


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("HOST", "0.0.0.0", "0.0.0.0"),
        ("PORT", "9000", 9000),
        ("RELOAD_SECONDS", "0.25", 0.25),
        ("STATE_DIR", "~/state", Path("~/state").expanduser()),
        ("STATE_DIR", "state", Path.cwd() / "state"),
        ("CORRECTIONS_URL", "postgresql://db/x", "postgresql://db/x"),
    ],
)
def test_values_are_typed(key, text, value):
    assert getattr(Settings.from_env({PREFIX + key: text}), key.lower()) == value


@pytest.mark.parametrize(
    "key", ["PORT", "WORKERS", "THREADS", "MAX_TEXT_CHARACTERS", "MAX_BATCH_TEXTS", "RELOAD_SECONDS"]
)
@pytest.mark.parametrize("text", ["", "many", "0", "-1", "1e400x", "nan"])
def test_errors_name_the_key(key, text):
    with pytest.raises(SettingError, match=PREFIX + key):
        Settings.from_env({PREFIX + key: text})


@pytest.mark.parametrize("text", ["65536", "99999999"])
def test_a_port_that_does_not_exist_is_refused(text):
    with pytest.raises(SettingError, match="ISSUE_ROUTER_PORT"):
        Settings.from_env({"ISSUE_ROUTER_PORT": text})


def test_misspelled_settings_are_named_with_those_that_there_are():
    with pytest.raises(
        SettingError, match=r"ISSUE_ROUTER_PROT: no such setting; there are ISSUE_ROUTER_HOST, ISSUE_ROUTER_PORT"
    ):
        Settings.from_env({"ISSUE_ROUTER_PROT": "1", "PATH": "/bin"})


def test_paths_of_the_state_folder():
    settings = Settings.from_env({"ISSUE_ROUTER_STATE_DIR": "/tmp/x"})
    assert settings.models_dir == Path("/tmp/x/models")
    assert settings.database_url == "sqlite:////tmp/x/corrections.sqlite3"
    assert Settings.from_env({"ISSUE_ROUTER_CORRECTIONS_URL": "u"}).database_url == "u"


def test_what_stands_beside_a_matrix_is_taken_unless_named(tmp_path):
    matrix = {"ISSUE_ROUTER_MATRIX": str(tmp_path / "matrix.toml")}
    assert Settings.from_env(matrix).rules == Settings().rules  # there is none beside it
    (tmp_path / "rules.toml").touch()
    (tmp_path / "issues.csv").touch()
    assert Settings.from_env(matrix).rules == tmp_path / "rules.toml"
    assert Settings.from_env(matrix).examples == tmp_path / "issues.csv"
    named = Settings.from_env(matrix | {"ISSUE_ROUTER_RULES": "/x/rules.toml"})
    assert (named.rules, named.examples) == (Path("/x/rules.toml"), tmp_path / "issues.csv")


def test_the_command_line_overrides_the_server_s_settings():
    settings = Settings(port=1, workers=3).with_server(host="h", port=None, workers=1)
    assert (settings.host, settings.port, settings.workers) == ("h", 1, 1)
