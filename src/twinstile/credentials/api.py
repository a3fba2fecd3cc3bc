"""HTTP: a scanned text is judged in the request that brings it, and forgotten with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Header, Request

from twinstile.credentials import offline, requirements, subjects, wedge, words
from twinstile.credentials.bodies import (
    AssessmentAnswer,
    OutcomeTextAnswer,
    ScannedBody,
    VerificationBody,
)
from twinstile.credentials.trusting.current_lists import CurrentLists
from twinstile.credentials.types import Context, Subject, Unmet
from twinstile.credentials.verifying import VerifiedCredential, Verifier
from twinstile.identity import forms
from twinstile.identity.forms import DocumentForm
from twinstile.platform.http.problems import FieldFault, InvalidInput, documented
from twinstile.platform.http.routes import GatedRoute, Runtime, caller, current_runtime
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope
from twinstile.policy.entry.api import EntryRulesNotInForce
from twinstile.policy.entry.documents import EntryPolicy, worded

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["credentials"])


@dataclass(frozen=True, slots=True)
class Judge:
    """What a scanned text is judged with. Called before any transaction is open."""

    runtime: Runtime
    verifier: Verifier
    lists: CurrentLists
    rules: Mapping[str, EntryPolicy]

    def subject(
        self, document: DocumentForm | None, pointer: str, who: Principal
    ) -> Subject | None:
        """Whom a credential is compared with. Raises as `forms.identify` does."""
        if document is None:
            return None
        terms = forms.document_context(self.runtime.settings, who.mode, clock.now())
        return subjects.of(document, pointer, terms)

    async def look(
        self, scanned: ScannedBody, pointer: str, subject: Subject | None, who: Principal
    ) -> VerifiedCredential:
        """What is known of it, within the deadline of providers.

        Raises `InvalidInput` for entry rules there are not, `EntryRulesNotInForce`,
        `MasterUnavailable`.
        """
        now = clock.now()
        unmet = self._unmet(scanned, f"{pointer}/rules", now)
        text = wedge.repair(scanned.text)
        listed = None
        if offline.detect(text) is not None:
            async with self.runtime.database.reading() as tx:
                held = await self.lists.of(tx, self.runtime.keys.of(who.hub_id), who.hub_id)
            listed = held and held.listed
        return await self.verifier.verify(text, listed, Context(now, subject, unmet))

    def _unmet(self, scanned: ScannedBody, pointer: str, now: datetime) -> Unmet | None:
        if scanned.rules is None:
            return None
        policy = self.rules.get(scanned.rules)
        if policy is None:
            raise InvalidInput(errors=[FieldFault(pointer, "unknown-value")])
        zone = self.runtime.settings.zone
        if not policy.holds(now.astimezone(zone).date()):
            raise EntryRulesNotInForce
        return requirements.of([policy], zone)

    def answer(
        self, verified: VerifiedCredential, scanned: ScannedBody, language: str
    ) -> AssessmentAnswer:
        """What was found, in words."""
        one, policy = verified.assessment, self.rules.get(scanned.rules or "")
        texts = {rule.rule_id: rule.text for rule in policy.rules} if policy else {}
        return AssessmentAnswer(
            scheme=one.scheme,
            provider=verified.provider,
            colour=one.colour,
            status=one.status,
            outcome=one.outcome,
            text=worded(words.explain_outcome(one, one.outcome), language),
            reasons=[
                _said(why, words.explain_outcome(one, why), language) for why in one.reasons
            ],
            authenticity=one.authenticity,
            validity=one.validity,
            revocation=one.revocation,
            policy=one.policy,
            subject_match=one.subject_match,
            match_reasons=[
                _said(why, words.MATCHES[why], language) for why in one.match_reasons
            ],
            unmet=[_said(rule, texts[rule], language) for rule in one.unmet],
            issuer=one.issuer,
            claimed_issuer=one.claimed_issuer,
            kinds=sorted(one.kinds),
            snapshot=one.snapshot,
            freshness=one.freshness,
            checked_at=one.checked_at,
        )


def _said(code: str, text: Mapping[str, str], language: str) -> OutcomeTextAnswer:
    return OutcomeTextAnswer(code=code, text=worded(text, language))


async def _judge(request: Request) -> Judge:
    held = request.app.state
    verifier = cast("Verifier", held.verifier)
    rules = cast("Mapping[str, EntryPolicy]", held.entry_rules)
    return Judge(current_runtime(request), verifier, cast("CurrentLists", held.lists), rules)


Judging = Annotated[Judge, Depends(_judge)]


@router.post(
    "/credentials:verify",
    summary="Verify a credential",
    responses=documented(EntryRulesNotInForce),
)
async def verify_credential(
    body: VerificationBody,
    judge: Judging,
    who: Annotated[Principal, caller(Scope.CHECKS_WRITE)],
    language: Annotated[str, Header(alias="Accept-Language", max_length=200)] = "en",
) -> AssessmentAnswer:
    """Judge a scanned text: certificates by the trust list, codes by asking their provider.

    There is an answer within 0.8 s, also if the provider gives none: then nothing is known,
    which is never green and by itself denies nobody passage. Nothing of the text is stored or
    logged, not even a digest.
    """
    subject = judge.subject(body.document, "/document", who)
    found = await judge.look(body, "", subject, who)
    return judge.answer(found, body, language)
