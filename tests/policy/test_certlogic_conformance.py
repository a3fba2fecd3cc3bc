"""CertLogic by the suites of its specification and by the entry rules of EU countries."""

import published_vectors
import pytest

DATA = published_vectors.shared_data()
if DATA is None:
    pytest.skip(
        "no test vectors on this machine (TWINSTILE_SHARED_DATA names their folder)",
        allow_module_level=True,
    )

EVALUATION = list(published_vectors.certlogic_evaluation(DATA))
VALIDATION = list(published_vectors.certlogic_validation(DATA))
ENTRY_RULES = list(published_vectors.entry_rules(DATA))


@pytest.mark.parametrize(
    "case", EVALUATION + VALIDATION + ENTRY_RULES, ids=lambda case: case.name
)
def test_twinstile_agrees_with_the_vector(case):
    assert case.failure() is None


def test_no_vector_is_lost_on_the_way():
    assert [len(cases) for cases in (EVALUATION, VALIDATION, ENTRY_RULES)] == [232, 23, 568]
