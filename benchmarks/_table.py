"""A result of `gate` for people."""

from collections.abc import Mapping

_COLUMNS = ("rps", "p50_ms", "p99_ms", "p50_calm_ms", "p99_calm_ms")


def readable(result: Mapping[str, object]) -> str:
    """A table of the variants, then everything else by name."""
    if "profile" in result:
        return str(result["profile"])
    return "\n".join(_lines(result))


def _lines(result: Mapping[str, object], heading: str = "one worker") -> list[str]:
    lines: list[str] = []
    variants = result.get("variants")
    if isinstance(variants, Mapping):
        lines.append(
            f"{heading:14}" + "".join(f"{name:>13}" for name in _COLUMNS) + "   cpu_us"
        )
        for name, found in variants.items():
            cpu = ", ".join(f"{tree} {us}" for tree, us in found["cpu_us"].items())
            lines.append(
                f"{name:14}" + "".join(f"{found[c]:13,}" for c in _COLUMNS) + f"   {cpu}"
            )
    for name, value in result.items():
        if name == "two_workers" and isinstance(value, Mapping):
            lines += ["", *_lines(value, "two workers"), ""]
        elif name != "variants":
            lines.append(f"{name:20} {value}")
    return lines
