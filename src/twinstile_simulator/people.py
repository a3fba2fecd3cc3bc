"""Invented travellers: who alights, with which papers, which credential, which fever.

Everything follows from the seed. Only `Random.random()` is used, the one generator whose
values Python promises to keep, with sums and products of its values and never libm, so that
a seed means the same day on every machine. Each train has its own stream.

Shares are calibrated on published counts: 17-26 % of the seats alight (238 k leaving
passengers a day from 900 trains at Hangzhou East), about 98 % of codes green (Zhejiang,
February 2020), half of the febrile on antipyretics (Narita, BMC Infect Dis 11:111). The
shares of mismatches, no-shows, walk-ups, children and cold skin are assumptions.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from twinstile_simulator.documents import InventedDocument, passport, resident_id
from twinstile_simulator.timetable import TimetableTrain

BASE_FEVER_PER_100K = 8.0
"""Confirmed abnormal among 1.22 M screened at Shanghai Hongqiao to 2020-02-07."""

ALIGHTING = (0.17, 0.26)
ANTIPYRETIC = 0.5
FOREIGN = 0.03
CHILD = 0.05
CHILD_WITHOUT_CODE = 0.1
MISMATCH = 0.005
NO_SHOW = 0.03
WALK_UP = 0.02
COLD_SKIN = 0.001
CREDENTIALS = (("GREEN", 0.985), ("YELLOW", 0.010), ("RED", 0.002), ("NOT_PRESENTED", 0.003))
SERVICES = (("OFFERED", 0.4), ("NOT_NEEDED", 0.3), ("ACCEPTED", 0.2), ("DECLINED", 0.1))

STRATIFY_FROM = 200
"""From this many travellers on, a day holds at least one of each rare event."""

_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建文"
_FOREIGN_SURNAMES = ("Eriksson", "Okafor", "Novak", "Silva", "Haddad", "Tanaka", "Moreau")
_FOREIGN_GIVEN = ("Anna Maria", "Ines", "Jonas", "Amara", "Luca", "Yuki", "Noor", "Peter")


@dataclass(frozen=True, slots=True)
class CrowdPerson:
    """One traveller-leg. `core` is the true body temperature in °C; nobody ever sees it."""

    key: str
    train: int
    """Position of the train in the day."""
    name: str
    language: str
    birth: date
    document: InventedDocument
    core: float
    febrile: bool
    cold_skin: bool
    credential: str
    mismatch: bool
    listed: bool
    """On the arrival manifest; false for a walk-up."""
    comes: bool
    """False for a no-show: listed, but never at a gate."""
    coach: int
    seat: int
    walk: float
    """Seconds from the train's arrival to the gate."""
    services: tuple[str, str]
    """How S1 (help at the lane) and S2 (onward service) are answered."""


def passengers(
    train: TimetableTrain, index: int, seed: int, fever_per_100k: float
) -> list[CrowdPerson]:
    """Invent those who alight from the day's train number `index`, and its no-shows."""
    rng = Random(f"{seed}/{index}/{train.service_no}")
    low, high = ALIGHTING
    count = int(train.seats * (low + (high - low) * rng.random()))
    today = train.scheduled_arrival.date()
    fever = fever_per_100k / 100_000
    return [_person(rng, today, (index, serial), fever) for serial in range(count)]


def normal(rng: Random) -> float:
    """Draw from nearly the standard normal: twelve uniforms, exact on every platform."""
    return sum(rng.random() for _ in range(12)) - 6


def weighted(rng: Random, shares: Sequence[tuple[str, float]]) -> str:
    """Draw a word by its share; the shares add up to 1."""
    left = rng.random()
    for word, share in shares:
        left -= share
        if left < 0:
            return word
    return shares[-1][0]


def _person(rng: Random, today: date, place: tuple[int, int], fever: float) -> CrowdPerson:
    index, serial = place
    child = rng.random() < CHILD
    age_days = int(365 * (2 + 12 * rng.random() if child else 15 + 65 * rng.random()))
    birth = today - timedelta(days=age_days)
    foreign = rng.random() < FOREIGN
    surname, given = _name(rng, foreign=foreign)
    if foreign:
        expiry = today + timedelta(days=90 + int(3000 * rng.random()))
        number = f"L{index % 10**4:04d}{serial % 1000:03d}{int(10 * rng.random())}"
        papers = passport(number, surname, given, birth, expiry)
    else:
        papers = resident_id(index % 10**4, birth, serial % 1000)
    febrile = rng.random() < fever
    credential = weighted(rng, CREDENTIALS)
    if child and rng.random() < CHILD_WITHOUT_CODE:
        credential = "NOT_PRESENTED"
    # one oddity at a time: which of two the service names first is not what is tested here
    plain = credential == "GREEN"
    mismatch = plain and rng.random() < MISMATCH
    cold_skin = plain and not mismatch and rng.random() < COLD_SKIN
    listed = rng.random() >= WALK_UP
    return CrowdPerson(
        key=f"{index:04d}-{serial:03d}",
        train=index,
        name=f"{given} {surname}" if foreign else surname + given,
        language="en" if foreign else "zh-CN",
        birth=birth,
        document=papers,
        core=_core(rng, febrile=febrile),
        febrile=febrile,
        cold_skin=cold_skin,
        credential=credential,
        mismatch=mismatch,
        listed=listed,
        comes=rng.random() >= NO_SHOW or not listed,
        coach=1 + serial % 16,
        seat=1 + serial // 16,
        walk=60 + 240 * max(rng.random(), rng.random()),
        services=(weighted(rng, SERVICES), weighted(rng, SERVICES)),
    )


def _name(rng: Random, *, foreign: bool) -> tuple[str, str]:
    if foreign:
        return _pick(rng, _FOREIGN_SURNAMES), _pick(rng, _FOREIGN_GIVEN)
    given = _pick(rng, _GIVEN) + (_pick(rng, _GIVEN) if rng.random() < 0.7 else "")
    return _pick(rng, _SURNAMES), given


def _pick(rng: Random, choices: Sequence[str]) -> str:
    return choices[int(rng.random() * len(choices))]


def _core(rng: Random, *, febrile: bool) -> float:
    """Healthy: 36.6 ± 0.2, at most 37.1. Febrile: 37.8 to 40.0, mostly low; a drug hides it."""
    if not febrile:
        return min(max(36.6 + 0.2 * normal(rng), 35.9), 37.1)
    core = 37.8 + 2.2 * rng.random() * rng.random()
    return max(core - 1.2, 36.8) if rng.random() < ANTIPYRETIC else core


_Test = Callable[[CrowdPerson], bool]
_Change = Callable[[CrowdPerson], CrowdPerson]
_STRATA: tuple[tuple[str, _Test, _Change], ...] = (
    ("fever", lambda p: p.core > 38, lambda p: replace(p, febrile=True, core=38.6)),
    ("yellow", lambda p: p.credential == "YELLOW", lambda p: replace(p, credential="YELLOW")),
    ("red", lambda p: p.credential == "RED", lambda p: replace(p, credential="RED")),
    (
        "no code",
        lambda p: p.credential == "NOT_PRESENTED",
        lambda p: replace(p, credential="NOT_PRESENTED"),
    ),
    ("mismatch", lambda p: p.mismatch, lambda p: replace(p, mismatch=True)),
    ("cold skin", lambda p: p.cold_skin, lambda p: replace(p, cold_skin=True)),
)


def stratify(people: Iterable[CrowdPerson], seed: int) -> tuple[list[CrowdPerson], list[str]]:
    """Let every rare event happen at least once in a day of 200 travellers or more.

    A small demonstration would otherwise often show none. This adds to the calibrated rates;
    the names of the events that were added are returned, to be told with the result.
    """
    crowd = list(people)
    plain = [
        place
        for place, p in enumerate(crowd)
        if p.comes and p.credential == "GREEN" and not (p.febrile or p.mismatch or p.cold_skin)
    ]
    added: list[str] = []
    if sum(person.comes for person in crowd) < STRATIFY_FROM:
        return crowd, added
    rng = Random(f"{seed}/strata")
    for name, happened, happen in _STRATA:
        if plain and not any(happened(person) for person in crowd if person.comes):
            place = plain.pop(int(rng.random() * len(plain)))
            crowd[place] = happen(crowd[place])
            added.append(name)
    return crowd, added
