"""Who counts as a contact is data of a policy, and what could not be applied is refused."""

from collections.abc import Callable

import people
import pytest
from hubs import Hub

from twinstile.platform.security.roles import Role
from twinstile.policy import contact_criteria, documents
from twinstile.policy.documents import PolicyError
from twinstile.policy.types import Conveyance


def section() -> people.Json:
    return contact_criteria.shipped().model_dump(mode="json", by_alias=True)


def policy(contacts: people.Json) -> people.Json:
    return {**documents.pack("cn-hub"), "version": "near-1", "contacts": contacts}


def test_a_document_without_contact_rules_has_those_that_are_shipped() -> None:
    compiled = documents.compile_document(documents.pack("cn-hub"))
    assert compiled.contacts == contact_criteria.compiled(contact_criteria.shipped())
    assert set(Conveyance) == {
        one for rule in compiled.contacts.rules for one in rule.conveyances
    }


def _change(name: str, value: object) -> Callable[[people.Json], None]:
    def change(contacts: people.Json) -> None:
        contacts[name] = value

    return change


def _rule(n: int, **parts: object) -> Callable[[people.Json], None]:
    def change(contacts: people.Json) -> None:
        contacts["rules"][n] |= parts

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_rule(0, text={"en": "x"}), "PARTY: no text in zh-CN"),
        (_rule(0, reach=2), "PARTY: rows, bays and minutes have a reach"),
        (_rule(1, reach=0), "AIR-ROWS: rows, bays and minutes have a reach"),
        (_rule(1, conveyances=[]), "AIR-ROWS: what is on board names its conveyances"),
        (_rule(0, conveyances=["SHIP"]), "PARTY: what is on board names its conveyances"),
        (_rule(1, id="PARTY"), "two rules have the same id"),
        (_rule(0, weight=101), "contacts/rules/0/weight"),
        (_rule(0, zone="NEARBY"), "contacts/rules/0/zone"),
        (_change("by_mode", {"RAIL": "TRAIN"}), "by_mode has exactly"),
        (_change("rules", []), "contacts/rules"),
        (_change("berth_numbers", 0), "contacts/berth_numbers"),
        (_change("more", 1), "contacts/more"),
    ],
)
def test_rules_that_cannot_be_applied_are_refused(
    change: Callable[[people.Json], None], told: str
) -> None:
    contacts = section()
    change(contacts)
    with pytest.raises(PolicyError, match=told):
        documents.compile_document(policy(contacts))


def test_a_mode_in_which_nobody_would_be_close_is_refused() -> None:
    contacts = section()
    contacts["rules"] = [one for one in contacts["rules"] if "SHIP" not in one["conveyances"]]
    with pytest.raises(PolicyError, match="no rule finds close contacts in SHIP"):
        documents.compile_document(policy(contacts))


async def test_a_version_is_written_with_contact_rules_of_its_own(hub: Hub) -> None:
    contacts = section()
    contacts["rules"][1] |= {"reach": 2}
    supervisor = hub.client(Role.SUPERVISOR)
    written = await supervisor.put("/v1/policies/near-1", json={"document": policy(contacts)})
    assert written.status_code == 201, written.text
    contacts["rules"][1] |= {"reach": 0}
    refused = await supervisor.put(
        "/v1/policies/near-2", json={"document": {**policy(contacts), "version": "near-2"}}
    )
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"pointer": "/document", "code": "no-policy"}]
