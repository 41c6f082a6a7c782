"""`flatrank bench`: figures of this machine, a time never without its error."""

import json
import time

import pytest

from flatrank.evaluation import machine


def test_instances_are_told_apart_by_their_errors():
    found = machine.measure("exact", "column mean", time.time())
    assert 0.9 < found["error"] < 1.1  # the mean of a column says nothing there
    found = machine.measure("exact", "flatrank", time.time())
    assert found["error"] < 1e-9
    assert found["cold"] > 0
    assert found["warm"] > 0


@pytest.mark.slow
def test_each_method_has_a_process_of_its_own(cli, monkeypatch):
    monkeypatch.setattr(machine, "CASES", {"exact": machine.exact})
    monkeypatch.setattr(machine, "methods", lambda _: ["flatrank", "column mean"])
    outcome = cli("bench", "--json")
    assert outcome.code == 0
    record = json.loads(outcome.out)
    assert [one["method"] for one in record["figures"]] == ["flatrank", "column mean"]
    for one in record["figures"]:
        assert one["cold"] > one["warm"]  # imports are in the first
    said = cli("bench")
    assert said.out.count(" first ") == 2
    assert "imputers of scikit-learn are measured too" in said.err
    monkeypatch.setattr(machine, "methods", lambda _: ["no way"])
    refused = cli("bench")
    assert refused.code == 2
    assert "no way on exact ended with an error: KeyError: 'no way'" in refused.err
