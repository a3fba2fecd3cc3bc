"""What a check brings of a credential to be looked at, before any transaction is open."""

from twinstile.credentials.api import Judge
from twinstile.credentials.bodies import AssessmentAnswer
from twinstile.credentials.verifying import VerifiedCredential
from twinstile.platform.security.auth import Principal
from twinstile.screening.bodies import CheckBody


async def look(
    judge: Judge, body: CheckBody, who: Principal, language: str
) -> tuple[VerifiedCredential | None, AssessmentAnswer | None]:
    """What the service finds of it, and in words; nothing where nothing was scanned."""
    scanned = body.scanned
    if scanned is None:
        return None, None
    document = body.identity.document if body.identity else None
    subject = judge.subject(document, "/identity/document", who)
    seen = await judge.look(scanned, "/scanned", subject, who)
    return seen, judge.answer(seen, scanned, language)
