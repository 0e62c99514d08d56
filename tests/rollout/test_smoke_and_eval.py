from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ise_env.agents.serve import ScriptedServer
from ise_env.intents.sampler import sample


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "intents.jsonl"
    path.write_text("".join(i.model_dump_json() + "\n" for i in sample(3, 21, kits=["file-io/*"])))
    return path


def test_agents_are_compared_and_an_evaluation_is_continued(ise, suite, tmp_path, local_backend):
    arguments = (
        "eval",
        "--agents",
        "oracle,nop",
        "--intents",
        suite,
        "--out",
        tmp_path / "e",
        "-q",
    )
    status, out, err = ise(*arguments, "--json")
    assert status == 0, err
    first = json.loads(out)
    oracle, nop = (agent["overall"] for agent in first["agents"])
    assert (oracle["success"]["value"], nop["success"]["value"]) == (1.0, 0.0)
    assert (oracle["completion"]["value"], nop["reward"]["value"]) == (1.0, 0.0)
    assert first["difference_from_first"]["nop"]["value"] == -1.0
    status, out, _ = ise(*arguments, "--trials", 2, "--json")
    agents = json.loads(out)["agents"]
    assert [agent["overall"]["trials"] for agent in agents] == [6, 6]
    assert agents[0]["overall"]["pass_hat"]["2"]["value"] == 1.0
    assert agents[0]["groups"]["domain"]["file-io"]["trials"] == 6
    status, out, _ = ise(*arguments, "--trials", 2)
    assert status == 0
    assert "pass^2" in out
    status, out, err = ise(*arguments, "--seed", 5)
    assert status == 2
    assert "seed was 0, is 5" in err


def test_an_evaluation_says_what_each_agent_cost(
    ise, intents, tmp_path, monkeypatch, local_backend
):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    prices = tmp_path / "prices.toml"
    command = ("eval", "--agents", "policies:Costs,nop", "--intents", intents, "--user", "none")
    command += ("--prices", prices, "-q")
    prices.write_text('["cheap-model"]\ninput = 3.0\noutput = 1.0\n')
    status, _, err = ise(*command, "--out", tmp_path / "a")
    assert status == 2
    assert "dear-model" in err
    prices.write_text('["dear-model"]\ninput = 3.0\noutput = 1.0\n')
    status, out, err = ise(*command, "--out", tmp_path / "b", "--json")
    assert status == 0, err
    costs = [agent["overall"]["cost_usd"] for agent in json.loads(out)["agents"]]
    assert costs == [pytest.approx(12.0), None]
    status, out, _ = ise(*command, "--out", tmp_path / "b")
    assert "$12.00" in out


def test_a_smoke_run_over_a_socket(ise, suite, tmp_path, local_backend):
    from ise_env.intents.load import load_intents

    with ScriptedServer(intents=load_intents(suite)) as server:
        spec = f"openai:oracle@{server.base_url}"
        status, out, err = ise("smoke", "--agent", spec, "--intents", suite, "-n", 2, "--json")
    report = json.loads(out)
    assert status in (0, 1), err
    assert report["episodes"] == 2
    fine = {f["label"]: f["fine"] for f in report["figures"]}
    assert fine["invalid episodes"] is fine["episodes with tool calls"] is True
    assert report["prompt_tokens"] is report["cost_usd"] is None
    assert report["full_run"]["hours"] > 0


def test_a_smoke_run_against_nothing_says_so(ise, suite, local_backend):
    spec = "openai:m@http://127.0.0.1:9/v1#attempts=1"
    status, _, err = ise("smoke", "--agent", spec, "--intents", suite, "-n", 1)
    assert status == 1
    assert "cannot connect" in err
    assert err.splitlines()[-1] == "ise: no episode was finished: all invalid"


def test_served_policies_are_told_where(tmp_path):
    import subprocess

    process = subprocess.Popen(
        [sys.executable, "-m", "ise_env.rollout.cli", "serve-scripted", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )
    try:
        assert process.stdout.readline().startswith("serving at http://127.0.0.1:")
    finally:
        process.terminate()
        process.communicate()


def test_a_misspelt_agent_is_found_before_any_has_played(ise, suite, tmp_path, local_backend):
    status, _, err = ise(
        "eval", "--agents", "nop,orcale", "--intents", suite, "--out", tmp_path / "evals"
    )
    assert status == 2
    assert "orcale" in err
    assert not (tmp_path / "evals").exists()
