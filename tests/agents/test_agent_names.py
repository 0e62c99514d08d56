"""Every name gives its agent; every mistake gives one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ise_env.agents import AgentContext, make_agent
from ise_env.errors import ConfigError
from ise_env.intents.model import Intent

INTENT = Intent(id="i1", utterance="Do it.")
REQUEST = {
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Hello."}],
    "tools": [],
}


@pytest.mark.parametrize("name", ["oracle", "faulty", "nop", "random", "faulty:rate=0.3"])
def test_scripted_agents_say_that_they_are(name: str) -> None:
    agent = make_agent(name)()
    assert agent.provenance.scripted
    assert agent.provenance.model is None
    assert agent.provenance.privileged == (name.partition(":")[0] in ("oracle", "faulty"))


def test_options_are_in_the_provenance() -> None:
    provenance = make_agent("faulty:rate=0.3,unnoticed=1")().provenance
    assert (provenance.name, provenance.sampling) == ("faulty", {"rate": 0.3, "unnoticed": 1.0})


def test_each_call_gives_a_fresh_agent() -> None:
    make = make_agent("oracle")
    assert make() is not make()


def test_an_endpoint_is_named_without_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret123")
    agent = make_agent("openai:qwen@http://127.0.0.1:9/v1#temperature=0.5")()
    assert agent.provenance.model == "qwen"
    assert agent.provenance.endpoint == "http://127.0.0.1:9/v1"
    assert agent.provenance.sampling == {"temperature": 0.5}
    assert not agent.provenance.scripted
    assert "secret" not in agent.provenance.model_dump_json()


def test_an_agent_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_agent_module.py").write_text(
        "from ise_env.agents.passive import Nop\n"
        "class Mine(Nop):\n"
        "    def __init__(self):\n"
        "        super().__init__('mine')\n"
    )
    monkeypatch.chdir(tmp_path)
    agent = make_agent("own_agent_module:Mine")()
    agent.reset(AgentContext(INTENT, 1))
    assert agent.provenance.name == "mine"
    assert agent.act(REQUEST)["role"] == "assistant"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("orcale", "did you mean oracle"),
        ("xyzzy", "known: oracle, faulty"),
        ("no_such_module:Agent", "no module named 'no_such_module'"),
        ("json:no_such_thing", "json has no attribute 'no_such_thing'"),
        ("json:__doc__", "neither a class nor a function"),
        ("collections:OrderedDict", "lacks act, reset, close, provenance"),
        ("json:dumps", "without arguments"),
        ("faulty:speed=1", "takes rate, unnoticed"),
        ("faulty:rate=often", "no number"),
        ("faulty:rate=2", "from 0 to 1"),
        ("nop:x=1", "takes no options"),
        ("replay:", "replay:RUN"),
        ("replay:/nowhere/at/all", "/nowhere/at/all"),
        ("openai:", "<model>@<base_url>"),
        ("openai:m@gopher://h", "<model>@"),
        ("openai:m@http://h/v1#key_env=UNSET_KEY", "UNSET_KEY is not set"),
    ],
)
def test_mistakes_get_one_line(name: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_agent(name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_that_fails_to_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_agent_module.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="importing broken_agent_module failed: ZeroDivision"):
        make_agent("broken_agent_module:Agent")


def test_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "acme_agents-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-agents\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ise_env.agents]\nacme = acme_agents_module:make\n")
    (tmp_path / "acme_agents_module.py").write_text(
        "from ise_env.agents.passive import Nop\ndef make():\n    return Nop('acme')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert make_agent("acme")().provenance.name == "acme"
    with pytest.raises(ConfigError, match="acme"):
        make_agent("acne")
