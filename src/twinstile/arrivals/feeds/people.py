"""Documents as senders write them: who a row speaks of, or why nobody can tell."""

from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.records import DocumentClaim
from twinstile.identity import documents
from twinstile.identity.forms import DocumentContext
from twinstile.identity.types import DocumentHolder, Finding, InvalidText
from twinstile.identity.vault import Identity
from twinstile.platform.security.hub_modes import HubMode


def identify_claim(claim: DocumentClaim, terms: DocumentContext) -> Identity | RejectReason:
    """Who it is. What the number tells goes before what the row does."""
    try:
        read = documents.read(
            claim.kind,
            claim.number,
            today=terms.today,
            issuer=claim.issuer,
            synthetic=terms.synthetic,
            divisions=terms.divisions,
        )
    except InvalidText:
        return RejectReason.INVALID
    if terms.mode is HubMode.PRODUCTION and Finding.SYNTHETIC in read.findings:
        return RejectReason.SYNTHETIC_DOCUMENT
    born = claim.birth_date
    if born is not None and not documents.plausible_birth(born, terms.today):
        born = None
    holder = read.holder
    return Identity(
        read.document,
        DocumentHolder(claim.name, holder.birth_date or born, holder.sex or claim.sex),
    )
