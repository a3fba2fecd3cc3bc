"""Figures of a run: one repetition, and the medians of many."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Repetition:
    """One measured window."""

    result: dict
    foreign: float
    """Processors' worth of work of processes that are not ours."""
    redone: int = 0

    @property
    def rps(self) -> float:
        return self.result["counted"] / self.result["seconds"]

    def cpu_us(self, tree: str) -> float:
        return 1e6 * self.result["cpu_s"][tree] / max(1, self.result["counted"])


_RATIOS = (
    ("ratio_to_empty", "durable", "empty"),
    ("ratio_to_textbook", "durable", "textbook"),
    ("tablet_ratio_to_empty", "tablet", "empty"),
    ("tablet_ratio_to_durable", "tablet", "durable"),
)
"""Members of the result: rates of the first variant divided by those of the second."""


def summary(
    rush: Mapping[str, list[Repetition]], calm: Mapping[str, list[Repetition]]
) -> dict[str, object]:
    """Medians of the rounds; ratios within each round."""
    told: dict[str, object] = {f"{name}_rps": _rps(found) for name, found in rush.items()}
    for member, one, other in _RATIOS:
        if one in rush and other in rush:
            pairs = zip(rush[one], rush[other], strict=True)
            told[member] = round(statistics.median(a.rps / b.rps for a, b in pairs), 3)
    if "durable" in rush:  # the figures that are promised, by the names they are promised by
        told["p99_ms"] = _median(rush["durable"], "p99_ms")
        told["p99_calm_ms"] = _median(calm["durable"], "p99_ms")
    if "tablet" in rush:
        told["tablet_p99_ms"] = _median(rush["tablet"], "p99_ms")
        told["tablet_p99_calm_ms"] = _median(calm["tablet"], "p99_ms")
    told["variants"] = {
        name: {
            "rps": _rps(found),
            "rps_range": [round(min(r.rps for r in found)), round(max(r.rps for r in found))],
            "p50_ms": _median(found, "p50_ms"),
            "p99_ms": _median(found, "p99_ms"),
            "p50_calm_ms": _median(calm[name], "p50_ms"),
            "p99_calm_ms": _median(calm[name], "p99_ms"),
            "cpu_us": {
                tree: round(statistics.median(r.cpu_us(tree) for r in found))
                for tree in ("server", "postgres", "load")
            },
            "rest_s": _median(found, "rest_s"),
            "overloaded_calm": any(r.result["overloaded"] for r in calm[name]),
            "refused": sum(sum(r.result["refused"].values()) for r in [*found, *calm[name]]),
        }
        for name, found in rush.items()
    }
    every = [r for found in (*rush.values(), *calm.values()) for r in found]
    told["foreign_cpu"] = {
        "median": statistics.median(r.foreign for r in every),
        "highest": max(r.foreign for r in every),
    }
    told["repetitions"] = len(every)
    told["repetitions_redone"] = sum(r.redone for r in every)
    return told


def _rps(found: Sequence[Repetition]) -> int:
    return round(statistics.median(r.rps for r in found))


def _median(found: Sequence[Repetition], name: str) -> float:
    return round(statistics.median(r.result[name] for r in found), 2)
