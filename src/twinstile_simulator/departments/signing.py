"""The signature of a request, checked as the documents have it; the keys are two sides' own."""

import hashlib
import hmac
import time
from dataclasses import dataclass, field

from twinstile_simulator.departments.answering import Question

SKEW_S = 300
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(slots=True)
class Gatekeeper:
    """Knows one key, and which requests came before."""

    key_id: str
    secret: bytes
    refused: int = 0
    _nonces: set[str] = field(default_factory=set[str])

    def knows(self, question: Question) -> bool:
        """Whether whoever holds the key has sent this just now, for the first time."""
        told = question.headers
        stamp, nonce = told.get("feed-timestamp", ""), told.get("feed-nonce", "")
        path, mark, query = question.target.partition("?")
        ordered = f"{path}{mark}{'&'.join(sorted(query.split('&')))}"
        lines = [question.method, ordered, _EMPTY, stamp, nonce, self.key_id]
        expected = hmac.new(self.secret, "\n".join(lines).encode(), "sha256").hexdigest()
        good = (
            told.get("feed-key-id") == self.key_id
            and hmac.compare_digest(expected, told.get("feed-signature", ""))
            and abs(time.time() - int(stamp)) <= SKEW_S
            and nonce not in self._nonces
        )
        self._nonces.add(nonce)
        self.refused += not good
        return good
