"""The operator's file of feeds: what it may say, and what is said of a mistake in it."""

from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from twinstile.arrivals.feeds import config
from twinstile.arrivals.feeds.config import Department, FeedSource
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import settings
from twinstile.platform.ops.config_files import InvalidFile
from twinstile.platform.ops.settings import Profile, Settings, SettingsError

GOOD = """
    [[feed]]
    name = "rail-lists"
    department = "rail"
    format = "rail"
    interval_s = 30
    expected_interval_s = 3600
    stops = ["HGH"]
    options = { scheme = "cn-rail" }
    [feed.transport]
    kind = "folder"
    path = "/srv/drop/rail"
    ready = "ok"

    [[feed]]
    name = "police"
    hub = "east"
    department = "police"
    format = "police"
    [feed.transport]
    kind = "push"
    keys = [{ key_id = "psb-1", key_file = "/etc/twinstile/psb.key" }]
"""


def settings_of(folder: Path, text: str | None) -> Settings:
    if text is not None:
        (folder / "feeds.toml").write_text(dedent(text))
    return settings.load(
        profile=Profile.DEMO, data_dir=folder, database_url=None, feeds_file=None
    )


def load(folder: Path, text: str | None) -> tuple[FeedSource, ...]:
    return config.feed_sources(settings_of(folder, text))


def test_without_a_file_there_are_no_feeds(tmp_path: Path) -> None:
    assert load(tmp_path, None) == ()


def test_a_feed_belongs_to_the_hub_of_the_settings_unless_it_names_one(tmp_path: Path) -> None:
    rail, police = load(tmp_path, GOOD)
    assert (rail.feed.hub_id, police.feed.hub_id) == ("hub", "east")
    assert (rail.feed.format, rail.feed.stops) == ("rail", frozenset({"HGH"}))
    assert rail.feed.options == {"scheme": "cn-rail"}
    assert (rail.department, rail.interval) == (Department.RAIL, timedelta(seconds=30))
    assert (rail.expected, police.expected) == (timedelta(hours=1), timedelta(minutes=1))
    assert rail.keys == ()
    assert [key.key_id for key in police.keys] == ["psb-1"]
    assert police.open() is None


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ('department = "rail"', 'department = "tram"', "feed/0/department: Input should be"),
        ('format = "rail"', 'format = "csv"', "one of rail, paxlst, police, health"),
        ('kind = "folder"', 'kind = "ftp"', "feed/0/transport"),
        ('path = "/srv/drop/rail"', 'path = "drop"', "an absolute path"),
        ("interval_s = 30", "interval_s = 1", "feed/0/interval_s"),
        ("interval_s = 30", "interval = 30", "feed/0/interval: Extra inputs"),
        ('name = "police"\n    hub = "east"', 'name = "rail-lists"', "the same name"),
        ('hub = "east"', 'hub = "East"', "feed/1/hub"),
        ('key_id = "psb-1", ', "", "feed/1/transport/push/keys/0/key_id"),
        ("[[feed]]", "[feed", "feeds.toml: "),
    ],
)
def test_a_mistake_is_told_by_its_place_and_without_its_value(
    tmp_path: Path, was: str, now: str, said: str
) -> None:
    assert was in GOOD
    with pytest.raises(InvalidFile) as refused:
        load(tmp_path, GOOD.replace(was, now, 1))
    assert said in str(refused.value)
    assert "psb.key" not in str(refused.value)


def test_keys_of_feeds_of_one_name_are_told_apart_by_their_ids(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A push names no hub: whose feed it is follows from the key."""
    other = tmp_path_factory.mktemp("other")
    second = GOOD[GOOD.index('[[feed]]\n    name = "police"') :].replace("east", "west")
    with pytest.raises(InvalidFile, match="key_id"):
        load(tmp_path, GOOD + second)
    assert len(load(other, GOOD + second.replace("psb-1", "psb-2"))) == 3


def test_one_name_for_two_feeds_of_the_own_hub_is_refused_however_it_is_named(
    tmp_path: Path,
) -> None:
    with pytest.raises(InvalidFile, match="hub have one name"):
        load(tmp_path, GOOD.replace('name = "police"\n    hub = "east"', TWICE))


TWICE = 'name = "rail-lists"\n    hub = "hub"'


def test_the_service_does_not_open_with_a_file_it_cannot_use(tmp_path: Path) -> None:
    place = DatabaseTarget("postgresql://nowhere", "", "postgresql://nowhere", embedded=False)
    with pytest.raises(SettingsError, match="TWINSTILE_FEEDS_FILE"):
        startup.open_runtime(settings_of(tmp_path, "feed = 1"), place)
    absent = {"feeds_file": tmp_path / "no.toml"}
    named = settings_of(tmp_path, None).model_copy(update=absent)
    with pytest.raises(SettingsError, match="TWINSTILE_FEEDS_FILE"):
        startup.open_runtime(named, place)
