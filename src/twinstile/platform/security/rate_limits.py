"""How much one client may ask of one process. The clock is the monotonic one, in seconds."""

from dataclasses import dataclass, field

from twinstile.platform.http.problems import TooMany

MINUTE_S = 60.0


@dataclass(slots=True)
class RateLimit:
    """So many a minute for each name; counts at most `names` names, then begins anew."""

    a_minute: int
    names: int = 1000
    _begun: float = 0.0
    _counts: dict[str, int] = field(default_factory=dict[str, int])

    def used_up(self, name: str, now: float) -> bool:
        """Whether nothing is left for this name in the running minute."""
        if now - self._begun >= MINUTE_S or len(self._counts) >= self.names:
            self._begun = now
            self._counts.clear()
        return self._counts.get(name, 0) >= self.a_minute

    def take(self, name: str, now: float) -> None:
        """Count one. Raises `TooMany` when nothing is left."""
        if self.used_up(name, now):
            left = MINUTE_S - (now - self._begun)
            raise TooMany(retry_after_s=max(1, round(left)))
        self._counts[name] = self._counts.get(name, 0) + 1
