"""The benchmarks still measure what they say: all variants store alike, a replay is exact.

All but one are long, and run by `python3 dev.py slow`.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def measured(benchmark: str, *options: str) -> dict[str, Any]:
    """What a benchmark tells that is over quickly."""
    told = subprocess.run(
        [
            sys.executable,
            str(ROOT / "benchmarks" / f"{benchmark}.py"),
            *("--json", "--quick", *options),
        ],
        capture_output=True,
        check=False,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("\n") == 1
    return json.loads(told.stdout)


@pytest.mark.timeout(300)
def test_a_replay_of_copied_checks_finds_nothing_and_is_measured() -> None:
    result = measured("policy")
    assert result["stored_checks"] >= 2000
    assert result["decisions"] == 2000
    assert result["replay_checks_per_s"] > 0
    assert 0 < result["decide_p50_us"] <= result["decide_p99_us"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_silent_provider_is_measured_with_its_breaker_closed() -> None:
    result = measured("credentials")
    assert result["black_hole_asked"] == 12
    assert result["black_hole_answer_max_ms"] >= 700
    assert result["black_hole_p99_ratio"] > 0
    assert 0 < result["dcc_ratio"] < 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_variant_answers_and_both_databases_hold_the_same_rows() -> None:
    result = measured("gate", "--one-worker", "--seconds", "0.2", "--clients", "2")
    assert result["acknowledged"] > 0
    assert result["lost"] == result["surplus"] == 0
    assert result["rows_alike"] is True
    assert set(result["variants"]) == {"empty", "textbook", "durable", "tablet"}
    assert result["tablet_rps"] > 0
    assert result["tablet_ratio_to_empty"] > 0
    assert result["tablet_p99_calm_ms"] > 0
    for figures in result["variants"].values():
        assert figures["rps"] > 0
        assert figures["refused"] == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_lists_are_expected_at_the_gate_and_garbage_is_set_aside() -> None:
    result = measured("arrivals")
    assert result["garbage_valid_stored"] == result["garbage_bad_quarantined"] == 1.0
    assert result["queue_applied"] >= result["queued"] > 0
    assert result["lag_ratio"] > 0
    assert result["manifest_1200_s"] > 0


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="no chromium: apt install chromium"
)
def test_a_tablet_is_measured_and_stores_every_record_once() -> None:
    result = measured("tablet")
    assert result["stored_exactly_once"] == 1.0
    assert result["records"] == 75
    for name in ("verdict", "verdict_slow", "verdict_offline", "verdict_6x", "durable"):
        assert result[f"{name}_p95_ms"] > 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_lists_of_cases_and_contacts_of_a_long_train_are_measured() -> None:
    result = measured("cases")
    assert result["contacts_found"] == 74
    assert result["contacts_16_coach_s"] > 0
    for name in ("open_cases_p95_ms", "call_list_p95_ms", "debt_list_p95_ms"):
        assert result[name] > 0
