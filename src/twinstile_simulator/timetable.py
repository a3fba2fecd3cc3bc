"""The trains of a simulated day, and a built-in day for those who bring no timetable.

The built-in day has the size and the rhythm of Hangzhou East: about 900 arrivals between
six and half past eleven. It is made from the table below and copies no real timetable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


class TimetableError(ValueError):
    """A timetable that cannot be read or has no train; the message says where and why."""


@dataclass(frozen=True, slots=True)
class TimetableTrain:
    """One arrival. `platform` may be empty, `scheduled_arrival` is aware."""

    service_no: str
    origin: str
    terminus: str
    scheduled_arrival: datetime
    platform: str
    seats: int


@dataclass(frozen=True, slots=True)
class Timetable:
    """A station's arrivals on one day, earliest first."""

    station: str
    trains: tuple[TimetableTrain, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    series: str
    first_no: int
    origin: str
    terminus: str
    opens: time
    headway: int
    """minutes"""
    seats: int


_STATION = "杭州东"
_ZONE = ZoneInfo("Asia/Shanghai")
_CLOSES = time(23, 30)
_PLATFORMS = 28
_LINES = (
    _Line("G", 7301, "上海虹桥", _STATION, time(6, 12), 10, 1193),
    _Line("G", 7541, "南京南", _STATION, time(6, 25), 12, 1193),
    _Line("G", 1401, "上海虹桥", "长沙南", time(6, 41), 15, 1193),
    _Line("D", 3101, "上海南", "福州", time(6, 18), 15, 556),
    _Line("D", 5501, "宁波", _STATION, time(6, 9), 12, 556),
    _Line("G", 7001, "温州南", "上海虹桥", time(7, 3), 15, 1193),
    _Line("G", 31, "北京南", _STATION, time(8, 34), 20, 1283),
    _Line("G", 7141, "金华", "上海虹桥", time(6, 33), 15, 556),
    _Line("G", 7751, "合肥南", "宁波", time(7, 20), 20, 1193),
    _Line("G", 9301, "黄山北", _STATION, time(7, 44), 20, 576),
    _Line("D", 2281, "厦门北", "上海虹桥", time(8, 7), 20, 1193),
    _Line("G", 1301, "昆明", "上海虹桥", time(10, 15), 30, 1193),
    _Line("G", 581, "汉口", _STATION, time(9, 2), 30, 576),
    _Line("G", 1881, "西安北", _STATION, time(11, 26), 30, 1193),
    _Line("C", 3001, "湖州", _STATION, time(6, 5), 20, 556),
)


def built_in(day: date) -> Timetable:
    """Invent the station's arrivals on `day`, on its own clock."""
    trains: list[TimetableTrain] = []
    for line in _LINES:
        at = datetime.combine(day, line.opens, _ZONE)
        number = line.first_no
        while at <= datetime.combine(day, _CLOSES, _ZONE):
            platform = str(1 + (at.hour * 60 + at.minute) * 7 % _PLATFORMS)
            service_no = f"{line.series}{number}"
            train = TimetableTrain(
                service_no, line.origin, line.terminus, at, platform, line.seats
            )
            trains.append(train)
            at += timedelta(minutes=line.headway)
            number += 2
    trains.sort(key=lambda train: (train.scheduled_arrival, train.service_no))
    return Timetable(_STATION, tuple(trains))


def spread(trains: Sequence[TimetableTrain], count: int) -> tuple[TimetableTrain, ...]:
    """Keep `count` trains, evenly over the day: a short day still has a morning and a night."""
    if count >= len(trains):
        return tuple(trains)
    return tuple(trains[index * len(trains) // count] for index in range(count))
