"""The command that judges twinstile by the vectors of others."""

import conformance
import published_vectors
import pytest
from vectors import needed

from twinstile.policy import certlogic


def failing_suite(_):
    yield published_vectors.Case("one is true", expected=True, judge=lambda: 1)
    yield published_vectors.Case("one is one", expected=1, judge=lambda: 1)
    yield published_vectors.Case(
        "no rule", expected=None, judge=lambda: certlogic.compile_rule({})(None)
    )
    yield published_vectors.Case(
        "one is odd", expected=False, judge=lambda: True, disputed=True
    )
    yield published_vectors.Case("a bug", expected=1, judge=lambda: {}["nowhere"])


def test_absent_vectors_are_said_aloud_and_fail_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TWINSTILE_SHARED_DATA", str(tmp_path / "nowhere"))
    assert conformance.main() == 0
    assert "No test vectors" in capsys.readouterr().out


def test_vectors_that_are_only_partly_there_are_not_passed_over(monkeypatch, tmp_path):
    monkeypatch.setenv("TWINSTILE_SHARED_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError):
        conformance.main()


def test_every_disagreement_is_counted_and_fails_the_command(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TWINSTILE_SHARED_DATA", str(tmp_path))
    monkeypatch.setattr(conformance, "SUITES", {"stub": failing_suite})
    assert conformance.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  one is true: 1 instead of true"
    assert lines[1].startswith("  no rule: CertLogicError /: ")
    assert lines[2:] == [
        "  one is odd: true instead of false (disputed)",
        "  a bug: KeyError 'nowhere'",
        "stub: 1 passed, 3 failed, 1 disputed",
        "1 passed, 3 failed, 1 disputed",
    ]


def test_a_dispute_alone_fails_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("TWINSTILE_SHARED_DATA", str(tmp_path))
    disputed = published_vectors.Case(
        "one is odd", expected=False, judge=lambda: True, disputed=True
    )
    monkeypatch.setattr(conformance, "SUITES", {"stub": lambda _: [disputed]})
    assert conformance.main() == 0


@needed
def test_every_kind_of_credential_has_a_closing_line_and_nothing_fails(monkeypatch, capsys):
    credentials = {
        n: s for n, s in conformance.SUITES.items() if n not in published_vectors.SUITES
    }
    monkeypatch.setattr(conformance, "SUITES", credentials)
    assert conformance.main() == 0
    closing = [line for line in capsys.readouterr().out.splitlines() if line[0] != " "]
    assert [line.partition(":")[0] for line in closing[:-1]] == ["dcc", "shc", "who", "vds-nc"]
    assert all(", 0 failed" in line for line in closing)
