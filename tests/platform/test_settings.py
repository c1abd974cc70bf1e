"""What a person may set, and how it reads."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from order_ledger.settings import Settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LEDGER_{name.upper()}", raising=False)


def test_without_any_the_ledger_serves_this_machine_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    settings = Settings()
    assert settings.database_url is None
    assert settings.host == "127.0.0.1"
    assert settings.home.name == "order-ledger"


def test_each_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_HOME", "data")
    monkeypatch.setenv("LEDGER_PORT", "0")
    monkeypatch.setenv("LEDGER_ALLOW_UNSAFE_SERVER", "fsync, full_page_writes")
    settings = Settings()
    assert settings.home == tmp_path / "data"
    assert settings.port == 0
    assert settings.allow_unsafe_server == {"fsync", "full_page_writes"}


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_DATABASE_URL", "")
    assert Settings().database_url is None


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "65536"), ("WORKERS", "0"), ("ALLOW_UNSAFE_SERVER", "luck"), ("LOG_LEVEL", "loud")]
)
def test_a_value_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"LEDGER_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_the_password_of_the_database_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql://u:secret@host/ledger")
    assert "secret" not in repr(Settings())


def test_each_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_none_changes_while_the_process_runs() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().__setattr__("port", 1)
