"""Who looks at a scanned text: the trust list at hand, or the provider whose code it is.

The text lives as long as the call. Nothing here writes, logs or counts any of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from twinstile.credentials import egress_filter, offline
from twinstile.credentials.providers import answers, settings
from twinstile.credentials.providers.online import Online
from twinstile.credentials.trust import TrustList
from twinstile.credentials.types import Assessment, Context, CredentialOutcome
from twinstile.platform.ops.settings import Settings


@dataclass(frozen=True, slots=True)
class VerifiedCredential:
    assessment: Assessment
    provider: str | None
    """Who was asked, by the hub's name for them; None: nobody."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """The online providers of this process."""

    providers: Sequence[Online] = ()

    async def verify(
        self, raw: str, listed: TrustList | None, context: Context
    ) -> VerifiedCredential:
        """What is known of a text. Takes at most `online.WITHIN_S`, never raises."""
        if offline.detect(raw) is not None or egress_filter.never_leaves(raw):
            return VerifiedCredential(offline.verify(raw, listed, context), None)
        for provider in self.providers:
            if provider.detect(raw) is not None:
                return VerifiedCredential(await provider.verify(raw, context), provider.name)
        return VerifiedCredential(
            answers.unanswered(CredentialOutcome.NOT_SUPPORTED, context.now), None
        )

    async def close(self) -> None:
        for provider in self.providers:
            await provider.close()


def verifier(configuration: Settings) -> Verifier:
    """Raises `InvalidFile`."""
    optional = configuration.providers_file is None
    return Verifier(settings.load(configuration.providers_path, optional=optional))
