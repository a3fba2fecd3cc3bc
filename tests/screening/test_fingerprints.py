"""The content a check's fingerprint is made of, as fixed vectors: upgrades do not change it."""

from typing import Final

import pytest

from twinstile.platform.keys.ciphers import keyed_digest
from twinstile.screening import intake
from twinstile.screening.bodies import CheckBody, CheckFact

SHORT: Final = {"observed_at": "2026-11-24T08:15:30+08:00"}
WHOLE: Final = {
    "observed_at": "2026-11-24T08:15:30.250+08:00",
    "offline": True,
    "decided": {"verdict": "CHECK", "policy_version": "cn-hub-1"},
    "screening_id": "019ac3d2-7f10-7c3e-9d53-2b8a51f0c9e4",
    "run_id": "019ac3d2-7f10-7c3e-9d53-2b8a51f0c9e5",
    "lane_id": "north-1",
    "temperature": {
        "value": 99.5,
        "unit": "F",
        "method": "EAR",
        "site": "EAR",
        "thermometer": "IR-0731",
        "error": 0.2,
    },
    "credential": {"status": "GREEN", "kind": "HEALTH_CODE"},
    "identity": {
        "document": {"kind": "PASSPORT", "number": "E00000000", "issuer": "CHN"},
        "result": "MATCH",
        "method": "READER",
    },
    "reminders": ["R2"],
    "language": "ja",
    "services": [{"kind": "S1", "outcome": "ACCEPTED"}],
    "pass_code": "1234-5670",
    "assistance": True,
    "illness": True,
    "party": {"id": "019ac3d2-7f10-7c3e-9d53-2b8a51f0c9e6", "role": "GUARDIAN"},
    "emergency": "INJURED",
    "category": "CREW",
    "test": {"kind": "PCR", "result": "NEGATIVE", "sampled_at": "2026-11-23T08:00:00Z"},
    "itinerary": {"source": "CARD", "starred": True, "areas": [{"code": "610113"}]},
    "declaration": {"symptoms": ["COUGH"], "contact": "NO", "source": "OWN"},
}


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (
            SHORT,
            (
                '{"observed_at":"2026-11-24T00:15:30Z","offline":false,"screening_id":nul'
                'l,"run_id":null,"lane_id":null,"temperature":null,"credential":null,"ide'
                'ntity":null,"reminders":[],"services":[],"assistance":false,"illness":fa'
                "lse}"
            ),
        ),
        (
            WHOLE,
            (
                '{"category":"CREW","test":{"kind":"PCR","result":"NEGATIVE","sampled_at"'
                ':"2026-11-23T08:00:00Z"},"itinerary":{"source":"CARD","starred":true,"ar'
                'eas":[{"code":"610113","left_on":null}]},"declaration":{"symptoms":["COU'
                'GH"],"contact":"NO","fever_medicine":false,"source":"OWN"},"observed_at"'
                ':"2026-11-24T00:15:30.250000Z","offline":true,"decided":{"verdict":"CHEC'
                'K","policy_version":"cn-hub-1"},"screening_id":"019ac3d2-7f10-7c3e-9d53-'
                '2b8a51f0c9e4","run_id":"019ac3d2-7f10-7c3e-9d53-2b8a51f0c9e5","lane_id":'
                '"north-1","temperature":{"value":99.5,"unit":"F","method":"EAR","site":"'
                'EAR","thermometer":"IR-0731","error":0.2},"credential":{"status":"GREEN"'
                ',"kind":"HEALTH_CODE"},"identity":{"document":{"kind":"PASSPORT","number'
                '":"E00000000","issuer":"CHN","name":null,"birth_date":null,"mrz":null},"'
                'result":"MATCH","method":"READER"},"reminders":["R2"],"language":"ja","s'
                'ervices":[{"kind":"S1","outcome":"ACCEPTED"}],"pass_code":"1234-5670","a'
                'ssistance":true,"illness":true,"party":{"id":"019ac3d2-7f10-7c3e-9d53-2b'
                '8a51f0c9e6","role":"GUARDIAN"},"emergency":"INJURED"}'
            ),
        ),
    ],
    ids=["short", "whole"],
)
def test_what_a_fingerprint_is_made_of_does_not_change(
    body: dict[str, object], content: str
) -> None:
    assert intake.content(CheckFact.model_validate(body)) == content
    single = {**body, "counter": 7, "sent_at": "2026-11-24T08:16:00Z", "made_for": "north"}
    assert intake.content(CheckBody.model_validate(single)) == content


def test_the_fingerprint_of_a_check_does_not_change() -> None:
    content = intake.content(CheckFact.model_validate(WHOLE))
    assert (
        keyed_digest(bytes(32), "fingerprint", content.encode()).hex()
        == "0c747444e4698743be4833246b677715bf23bf728aafd1e262d7e080a247a106"
    )
