"""The railway: a list of travellers for each train, as a file.

Files are in GB18030, with a title above and a count below. Of four trains, one list is
corrected by a second one (somebody gave a ticket back, others were missing), one comes twice
under two names, and one has rows that nobody can read.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from twinstile_simulator import documents
from twinstile_simulator.departments.file_drop import DeliveryFolder, write_table
from twinstile_simulator.people import CrowdPerson
from twinstile_simulator.timetable import TimetableTrain

ENCODING = "gb18030"
MISSING = 3
"""Travellers that the first of two lists does not have."""
_NUMBER = re.compile(r"[A-Z]{0,2}[0-9]{1,5}")
_KINDS = {"RESIDENT_ID": "1", "PASSPORT": "B"}
_GIVEN_BACK = documents.resident_id(9997, date(1990, 2, 1), 1)
"""Of somebody who bought a ticket and never came."""


@dataclass(frozen=True, slots=True)
class TrainJourney:
    """A train of the day, who travels on it, and when it will really be here."""

    train: TimetableTrain
    people: Sequence[CrowdPerson]
    comes: datetime


@dataclass(slots=True)
class RailwayOperator:
    drop: DeliveryFolder
    rejected: int = 0
    """Rows nobody can read, of all that were sent."""

    @classmethod
    def at(cls, folder: Path) -> "RailwayOperator":
        return cls(DeliveryFolder(folder, "ok"))

    def send(self, journeys: Sequence[TrainJourney], station: str) -> None:
        """Leave the lists of these trains, each in its own way."""
        for place, journey in enumerate(journeys):
            whole = _rows(journey, station)
            match place % 4 if len(whole) > MISSING else 0:
                case 1:
                    short = [*whole[:-MISSING], _gives_back(whole[0])]
                    self._leave(journey, short, 1)
                    self._leave(journey, whole, 2)
                case 2:
                    self._leave(journey, whole, 1)
                    self._leave(journey, whole, 1, " (1)")
                case 3:
                    garbage = _garbage(whole[0])
                    self.rejected += len(garbage)
                    self._leave(journey, [*garbage, *whole], 1)
                case _:
                    self._leave(journey, whole, 1)

    def _leave(
        self,
        journey: TrainJourney,
        rows: Sequence[Mapping[str, object]],
        version: int,
        again: str = "",
    ) -> None:
        train = journey.train
        day = train.scheduled_arrival.date()
        title = f"{train.service_no}次旅客名单 {day}"
        content = write_table(rows, ENCODING, title, f"合计 {len(rows)} 人")
        name = f"{train.service_no}_{day:%Y%m%d}_{version:02d}{again}.csv"
        self.drop.write_file(name, content)


def select_numbered(trains: Sequence[TimetableTrain]) -> list[bool]:
    """Which of these are trains as this railway numbers them, each number once a day."""
    days = [(train.service_no, train.scheduled_arrival.date()) for train in trains]
    often = Counter(days)
    return [often[day] == 1 and _NUMBER.fullmatch(day[0]) is not None for day in days]


def number(train: TimetableTrain) -> str:
    """The railway's own key of a run, twelve characters, beside the public number."""
    return f"24{train.service_no:0>10}"[:12]


def _rows(journey: TrainJourney, station: str) -> list[Mapping[str, object]]:
    train = journey.train
    run = {
        "车次": train.service_no,
        "列车编号": number(train),
        "始发日期": train.scheduled_arrival.date().isoformat(),
        "始发站": train.origin,
        "终到站": train.terminus,
        "车站": station,
        "站台": train.platform,
        "到达时间": train.scheduled_arrival.isoformat(),
        "预计到达时间": journey.comes.isoformat(timespec="seconds"),
    }
    return [
        {
            **run,
            "姓名": person.name,
            "证件类型": _KINDS[person.document.kind],
            "证件号码": person.document.number,
            "国籍": person.document.issuer or "",
            "出生日期": f"{person.birth:%Y/%m/%d}",
            "车厢号": f"{person.coach:02d}",
            "座位号": f"{person.seat:03d}",
            "下车站": station,
            "票号": f"E{person.key}",
            "语言": person.language,
        }
        for person in journey.people
    ]


def _gives_back(row: Mapping[str, object]) -> Mapping[str, object]:
    return {**row, "证件号码": _GIVEN_BACK.number, "票号": "E-returned", "证件类型": "1"}


def _garbage(row: Mapping[str, object]) -> list[Mapping[str, object]]:
    """What spreadsheets and careful people do to numbers."""
    return [
        {**row, "证件号码": "7.70101199002010E+17", "票号": "E-1"},
        {**row, "证件号码": "7701**********0079", "票号": "E-2"},
        {**row, "证件号码": "", "票号": "E-3"},
    ]
