from datetime import date

from twinstile_simulator import timetable

DAY = date(2026, 3, 2)


def test_the_built_in_day_is_as_large_as_hangzhou_east():
    trains = timetable.built_in(DAY).trains
    assert 850 <= len(trains) <= 950
    assert {train.scheduled_arrival.date() for train in trains} == {DAY}
    assert list(trains) == sorted(trains, key=lambda train: train.scheduled_arrival)


def test_no_service_number_comes_twice_in_the_built_in_day():
    numbers = [train.service_no for train in timetable.built_in(DAY).trains]
    assert len(numbers) == len(set(numbers))


def test_a_short_day_keeps_the_shape_of_the_long_one():
    trains = timetable.built_in(DAY).trains
    few = timetable.spread(trains, 10)
    assert len(few) == 10
    assert few[0] == trains[0]
    assert few[-1].scheduled_arrival.hour >= 20
    assert timetable.spread(trains, 10_000) == trains
