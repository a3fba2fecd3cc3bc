"""What a check or a fact became, in the words of the answer."""

from collections.abc import Mapping

from twinstile.credentials.bodies import AssessmentAnswer
from twinstile.declarations.bodies import PassReport
from twinstile.platform.http.problems import Problem
from twinstile.platform.ops import observability
from twinstile.platform.security.auth import Principal
from twinstile.policy.types import PolicyRule
from twinstile.screening.batch import ItemResult
from twinstile.screening.bodies import (
    AlternativeAnswer,
    CheckAnswer,
    CompletenessAnswer,
    FactAnswer,
    FaultAnswer,
    MeasureAnswer,
    NextStep,
    OfferedMeasure,
    OpenSuspicionAnswer,
    ReasonAnswer,
)
from twinstile.screening.party_bodies import PartyReport
from twinstile.screening.types import Outcome, Reason, ScreeningState
from twinstile.screening.visit import OpenSuspicion, RecordedCheck
from twinstile.screening.words import BEYOND_POLICY

_NEXT = {
    ScreeningState.PRESENTED: NextStep.COMPLETE_EVIDENCE,
    ScreeningState.VERIFYING: NextStep.WAIT,
    ScreeningState.ASSISTED: NextStep.ASSISTED_LANE,
    ScreeningState.SECONDARY: NextStep.SECONDARY_AREA,
    ScreeningState.HELD: NextStep.CALL_MEDIC,
    ScreeningState.DEFERRED: NextStep.GO_DEFERRED,
    ScreeningState.CLEARED: NextStep.GO,
    ScreeningState.CLEARED_CONDITIONAL: NextStep.GO,
    ScreeningState.CLEARED_TRANSIT: NextStep.GO,
}

_TEXTS = {code: {"en": said.en, "zh-CN": said.zh_cn} for code, said in BEYOND_POLICY.items()}


def check(
    done: RecordedCheck, language: str, who: Principal, seen: AssessmentAnswer | None = None
) -> CheckAnswer:
    """The answer to a check, reasons in the language asked for as far as the policy has it."""
    decision = done.decision
    observability.CHECKS.labels(who.hub_id, done.status, decision.verdict).inc()
    rules = {rule.rule_id: rule for rule in done.policy.rules}
    repeat = decision.outcome is Outcome.REPEAT
    return CheckAnswer(
        id=done.id,
        mode=who.mode,
        status=done.status,
        screening_id=done.screening_id,
        verdict=decision.verdict,
        state=decision.state,
        reasons=[
            _reason(reason, rules.get(reason.rule_id), language) for reason in decision.reasons
        ],
        measures=[MeasureAnswer.model_validate(measure) for measure in done.measures],
        policy_version=decision.policy_version,
        next_step=NextStep.COMPLETE_EVIDENCE
        if repeat and decision.state is not ScreeningState.HELD
        else _NEXT.get(decision.state, NextStep.WAIT),
        case_id=done.case_id,
        case_no=done.case_no,
        findings=list(done.findings),
        completeness=CompletenessAnswer(
            reminders=done.completeness.reminders,
            verifications=done.completeness.verifications,
            services=done.completeness.services,
            complete=done.completeness.complete,
        ),
        party=PartyReport.model_validate(done.party) if done.party else None,
        credential=seen,
        declaration=PassReport.model_validate(done.shown) if done.shown else None,
        stands=_stands(done.stands) if done.stands else None,
    )


def _stands(suspicion: OpenSuspicion) -> OpenSuspicionAnswer:
    tenths = suspicion.alarm_tenths
    return OpenSuspicionAnswer(
        state=suspicion.state,
        since=suspicion.since,
        alarm_celsius=None if tenths is None else tenths / 10,
    )


def _reason(reason: Reason, rule: PolicyRule | None, language: str) -> ReasonAnswer:
    return ReasonAnswer(
        rule_id=reason.rule_id,
        code=reason.code,
        text=text_in_language(rule.text if rule else _TEXTS.get(reason.code, {}), language)
        or reason.code,
        discretion=rule is not None and rule.discretion,
        alternatives=[
            AlternativeAnswer(
                outcome=Outcome(other.outcome),
                text=text_in_language(other.text, language) or other.outcome,
                measures=[OfferedMeasure.model_validate(one) for one in other.measures],
            )
            for other in (rule.alternatives if rule else ())
        ],
    )


def fact(result: ItemResult, language: str, who: Principal) -> FactAnswer:
    """The answer to one item of a batch."""
    return FactAnswer(
        id=result.id,
        status=result.status,
        problem=_fault(result.problem) if result.problem else None,
        check=check(result.recorded, language, who) if result.recorded else None,
    )


def _fault(problem: Problem) -> FaultAnswer:
    return FaultAnswer(
        type=f"/problems/{problem.slug}",
        errors=[{"pointer": f.pointer, "code": f.code} for f in problem.errors],
    )


def text_in_language(texts: Mapping[str, str], language: str) -> str | None:
    """The text in the first language asked for that there is, else in English."""
    for wanted in language.split(","):
        tag = wanted.partition(";")[0].strip().lower()
        for name, text in texts.items():
            if tag and name.lower().startswith(tag.split("-")[0]):
                return text
    return texts.get("en")
