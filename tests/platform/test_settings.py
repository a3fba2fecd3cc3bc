"""Settings: refused in words, and never with a secret everybody knows."""

from pathlib import Path

import pytest

from twinstile.platform.ops import settings
from twinstile.platform.ops.settings import WELL_KNOWN_SECRETS, Profile, SettingsError

SAFE = "postgresql://service:kV7-2nq@db/hub"


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABASE_URL", "OWNER_DATABASE_URL", "MASTER_KEY", "PROFILE", "DATA_DIR"):
        monkeypatch.delenv(f"TWINSTILE_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("secret", [*sorted(WELL_KNOWN_SECRETS - {""}), "Postgres", "ADMIN"])
@pytest.mark.parametrize("name", ["database_url", "owner_database_url"])
def test_a_well_known_password_is_refused_where_people_are_screened(
    name: str, secret: str
) -> None:
    url = f"postgresql://service:{secret}@db/hub"
    with pytest.raises(SettingsError, match=f"TWINSTILE_{name.upper()}"):
        settings.load(**{name: url})
    settings.load(profile=Profile.DEMO, **{name: url})


@pytest.mark.parametrize("name", ["master_key", "metrics_token"])
def test_a_well_known_secret_is_refused_where_people_are_screened(name: str) -> None:
    with pytest.raises(SettingsError, match=f"TWINSTILE_{name.upper()}"):
        settings.load(**{name: "changeme"})


def test_a_password_of_ones_own_is_taken() -> None:
    assert settings.load(database_url=SAFE).profile is Profile.PRODUCTION


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hub_id", "North Station"),
        ("hub_id", "x" * 40),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../etc/passwd"),
        ("port", "seventy"),
        ("port", "70000"),
        ("pool_size", "0"),
        ("profile", "testing"),
        ("metrics_token", "short-4711"),
    ],
)
def test_a_setting_at_fault_is_named_and_its_value_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TWINSTILE_{name.upper()}", value)
    with pytest.raises(SettingsError) as refused:
        settings.load()
    assert f"TWINSTILE_{name.upper()}" in str(refused.value)
    if name == "metrics_token":
        assert value not in str(refused.value)


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    given = settings.load(database_url=SAFE, metrics_token="q" * 20)
    assert "kV7-2nq" not in repr(given)
    assert "q" * 20 not in repr(given)


def test_one_keeper_of_master_keys_is_named_not_two() -> None:
    with pytest.raises(SettingsError, match="not both"):
        settings.load(master_key="q" * 44, key_command="/usr/local/bin/kms")
