from collections.abc import Mapping

import pytest

from twinstile_simulator.protocol import CheckPlace, PlannedCheck, State, script, state_after


def _walk(
    readings: Mapping[str, list[int]],
    method: str = "WALK_THROUGH",
    credential: str = "GREEN",
    identity: str = "MATCH",
) -> list[tuple[str, State]]:
    left = {key: list(values) for key, values in readings.items()}
    first = PlannedCheck(
        CheckPlace.LANE, method=method, credential=credential, identity=identity
    )
    steps = script(first, lambda asked: left[asked].pop(0))
    return [(step.method or "-", step.state) for step in steps]


S = State


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ({"WALK_THROUGH": [369]}, [("WALK_THROUGH", S.CLEARED)]),
        (
            {"WALK_THROUGH": [370], "CONTACTLESS": [365], "EAR": [372]},
            [
                ("WALK_THROUGH", S.SECONDARY),
                ("CONTACTLESS", S.SECONDARY),
                ("EAR", S.CLEARED),
            ],
        ),
        (
            {"WALK_THROUGH": [373], "CONTACTLESS": [373]},
            [("WALK_THROUGH", S.SECONDARY), ("CONTACTLESS", S.HELD)],
        ),
        (
            {"WALK_THROUGH": [373], "CONTACTLESS": [372], "EAR": [373]},
            [("WALK_THROUGH", S.SECONDARY), ("CONTACTLESS", S.SECONDARY), ("EAR", S.HELD)],
        ),
        (  # one high reading confirms nothing, and a contact reading that is high clears nobody
            {"WALK_THROUGH": [370], "CONTACTLESS": [370], "EAR": [373], "AXILLARY": [372]},
            [
                ("WALK_THROUGH", S.SECONDARY),
                ("CONTACTLESS", S.SECONDARY),
                ("EAR", S.SECONDARY),
                ("AXILLARY", S.CLEARED),
            ],
        ),
        (
            {"WALK_THROUGH": [349, 366]},
            [("WALK_THROUGH", S.PRESENTED), ("WALK_THROUGH", S.CLEARED)],
        ),
    ],
)
def test_readings_lead_where_the_protocol_says(
    readings: dict[str, list[int]], expected: list[tuple[str, State]]
):
    assert _walk(readings) == expected


def test_two_high_readings_by_one_method_confirm_nothing():
    walked = _walk({"CONTACTLESS": [380, 380], "EAR": [370]}, method="CONTACTLESS")
    assert [state for _, state in walked] == [S.SECONDARY, S.SECONDARY, S.CLEARED]


@pytest.mark.parametrize(
    ("credential", "identity", "between"),
    [
        ("YELLOW", "MATCH", S.SECONDARY),
        ("RED", "MATCH", S.SECONDARY),
        ("GREEN", "MISMATCH", S.SECONDARY),
        ("NOT_PRESENTED", "MATCH", S.ASSISTED),
    ],
)
def test_a_second_look_settles_a_flag_without_another_reading(
    credential: str, identity: str, between: State
):
    walked = _walk({"WALK_THROUGH": [366]}, credential=credential, identity=identity)
    assert walked == [("WALK_THROUGH", between), ("-", S.CLEARED)]


def test_an_alarm_goes_before_a_missing_code():
    walked = _walk(
        {"WALK_THROUGH": [371], "CONTACTLESS": [365], "EAR": [368]}, credential="NOT_PRESENTED"
    )
    assert [state for _, state in walked] == [S.SECONDARY, S.SECONDARY, S.CLEARED]


def test_an_invalid_reading_never_decides():
    step = PlannedCheck(CheckPlace.LANE, 349, "WALK_THROUGH", "GREEN", "MATCH")
    assert state_after([step]) is S.PRESENTED
