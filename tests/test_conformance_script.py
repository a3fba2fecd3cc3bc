"""The command that judges twinstile by the vectors of others."""

import conformance
import pytest
import suites

from twinstile.policy import certlogic


def failing_suite(_):
    yield suites.Case("one is true", expected=True, judge=lambda: 1)
    yield suites.Case("one is one", expected=1, judge=lambda: 1)
    yield suites.Case("no rule", expected=None, judge=lambda: certlogic.compile_rule({})(None))


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
    monkeypatch.setattr(suites, "SUITES", {"stub": failing_suite})
    assert conformance.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  one is true: 1 instead of true"
    assert lines[1].startswith("  no rule: CertLogicError /: ")
    assert lines[2:] == ["stub: 1 passed, 2 failed", "1 passed, 2 failed"]
