"""Putting tuples into words: faithful, varied, in the persona's register; bad texts caught."""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ise_env.errors import ConfigError, ModelEndpointError
from ise_env.intents.diversity import NGrams
from ise_env.intents.load import load_intents
from ise_env.intents.model import Intent
from ise_env.intents.pools import load_pools
from ise_env.intents.realisers import Draft, missing_facts, occurs
from ise_env.intents.realisers.grammar import Grammar
from ise_env.intents.realisers.llm import LLMRealiser, Realisation, unfaithful
from ise_env.intents.realisers.phrasing import EVERYWHERE, masked, phrased, phrasing
from ise_env.intents.realisers.template import TemplateRealiser, with_article
from ise_env.intents.reword import draft_of, reword
from ise_env.intents.sampler import sample
from ise_env.llm import Endpoint, ModelClient
from ise_env.tasks import registry
from ise_env.tasks.bind import bind
from ise_env.tasks.kit import Fact, SubGoal

GOAL = SubGoal(
    id="pack",
    request="pack notes/ into out/notes.zip and tell me how many files went in",
    label="the zip of the notes",
    facts=(Fact("source", "notes/"), Fact("zip", "out/notes.zip")),
)


def _draft(seed: int = 0, person: int = 0, goals: tuple[SubGoal, ...] = (GOAL,)) -> Draft:
    entry = load_pools().personas[person]
    return Draft(entry.persona(), entry.family, "complex", (("file-io/pack", goals),), seed)


@pytest.mark.parametrize(
    ("fact", "text", "there"),
    [
        ("7", "2017 and 17", False),
        ("7", "after 7 days", True),
        ("a/b.txt", "write a/b.txt.", True),
        ("v1.2", "tag it v1.20", False),
        ("every day at 05:09", "runs every day at 05:09", True),
    ],
)
def test_a_fact_occurs_as_a_unit(fact: str, text: str, there: bool) -> None:
    assert occurs(fact, text) is there


def test_masks_cover_the_longest_fact_and_nothing_inside_a_word() -> None:
    text = masked("move a/b, a and cab", {"short": "a", "long": "a/b"})
    assert text == "move {long}, {short} and cab"


def test_article_follows_the_sound() -> None:
    roles = ["HR manager", "nurse", "actuary", "university librarian", "QA engineer", "head chef"]
    assert [with_article(role) for role in roles] == [
        "an HR manager",
        "a nurse",
        "an actuary",
        "a university librarian",
        "a QA engineer",
        "head chef",
    ]


def test_every_persona_can_speak() -> None:
    pools = load_pools()
    realiser = TemplateRealiser(pools.styles)
    texts = set()
    for number in range(len(pools.personas)):
        text = realiser.realise(_draft(number, number))
        assert missing_facts(text, [GOAL]) == []
        assert not re.search(r"[\[\]|<>$@]|  | [.,;]|\.\.", text), text
        assert text[0].isupper() or not text[0].isalpha()
        texts.add(text)
    assert len(texts) > 0.9 * len(pools.personas)


def test_the_same_draft_gives_the_same_words() -> None:
    realiser = TemplateRealiser(load_pools().styles)
    assert realiser.realise(_draft(5)) == realiser.realise(_draft(5))
    assert len({realiser.realise(_draft(seed)) for seed in range(20)}) > 15


def test_length_follows_the_tier() -> None:
    words: dict[str, list[int]] = {"simple": [], "medium": [], "complex": []}
    for intent in sample(300, 2):
        words[str(intent.complexity)].append(len(intent.utterance.split()))
    means = [np.mean(words[tier]) for tier in ("simple", "medium", "complex")]
    assert means[0] < means[1] < means[2]


_STUTTER = re.compile(r"\b(\w+ \w+ \w+(?: \w+)*),? \1\b")
"""Three words or more and the same ones again: two ways to say it that met."""


def test_frames_are_not_worn_out() -> None:
    """No six words of the grammar's own in more than one text of a hundred."""
    pools, rng = load_pools(), random.Random(0)
    words = [f"word{i}" for i in range(5000)]

    def goal() -> SubGoal:
        return SubGoal("g", " ".join(rng.sample(words, 8)), rng.choice(words))

    realiser = TemplateRealiser(pools.styles)
    texts = []
    for seed in range(2000):
        entry = rng.choice(pools.personas)
        tasks = tuple((f"file-io/{i}", (goal(), goal())[: 1 + i % 2]) for i in range(4))
        texts.append(realiser.realise(Draft(entry.persona(), entry.family, "medium", tasks, seed)))
    ((worst, share),) = NGrams(texts).most_shared(6, 1)
    assert share < 0.015, worst  # 0.9 % of 5,000; some room for a smaller sample


@pytest.mark.parametrize(
    ("n", "seed", "most"),
    [
        pytest.param(600, 0, 0.03, id="600"),
        pytest.param(5000, 0, 0.01, marks=pytest.mark.slow, id="5000"),
        pytest.param(5000, 1, 0.01, marks=pytest.mark.full, id="5000 of seed 1"),
        pytest.param(5000, 2, 0.01, marks=pytest.mark.full, id="5000 of seed 2"),
    ],
)
def test_utterances_do_not_share_their_words(n: int, seed: int, most: float) -> None:
    """The six words that most whole utterances have in common, facts masked; all are faithful."""
    texts = []
    for intent in sample(n, seed):
        goals = [goal for task in bind(intent) for goal in task.subgoals()]
        assert missing_facts(intent.utterance, goals) == []
        facts = {f"f{i}": f.value for i, f in enumerate(f for goal in goals for f in goal.facts)}
        texts.append(re.sub(r"\{f\d+\}", " fact ", text := masked(intent.utterance, facts)))
        assert not re.search(r"  | [,;]|,[,;.]|\.\.$", text), text
        assert not _STUTTER.search(text), text
    ((worst, share),) = NGrams(texts).most_shared(6, 1)
    assert share <= most, worst


def test_phrasings_keep_facts_and_match_their_kits() -> None:
    person = load_pools().personas[0].persona()
    stale, known = [], 0
    for kit, stretches in phrasing().items():
        if kit == EVERYWHERE:
            continue
        # What a stretch was put into may itself hold shorter ones.
        requests = {text for others in stretches.values() for text in others}
        for seed in range(12):
            rng = np.random.default_rng(seed)
            tier = ("simple", "medium", "complex")[seed % 3]
            for goal in registry.get(kit).subgoals(registry.get(kit).draw(rng, person, tier)):
                requests.add(masked(goal.request, {fact.id: fact.value for fact in goal.facts}))
                for again in range(4):
                    text = phrased(kit, goal, random.Random(again))
                    assert missing_facts(text, [goal]) == []
                    # The first letter of a sentence becomes a capital one.
                    assert not any(text.startswith(f.value) for f in goal.facts), text
        for stretch, others in stretches.items():
            assert not stretch.startswith("*"), "stretches are looked for by their first word"
            pattern = re.compile(re.escape(stretch).replace(r"\*", r"\S+"))
            known += 1
            stale += [] if any(map(pattern.search, requests)) else [(kit, stretch)]
            wanted = sorted(re.findall(r"\{\w+\}|\*", stretch))
            for other in others:
                assert sorted(set(re.findall(r"\{\w+\}|\*", other))) == sorted(set(wanted)), other
    # A kit may be reworded before its phrasings are; most of them must still fit.
    assert len(stale) < 0.1 * known, stale


def test_request_without_its_own_fact_is_a_kit_error() -> None:
    goal = SubGoal("g", "tidy up", "the tidying", (Fact("path", "a/b"),))
    with pytest.raises(ConfigError, match=r"leave out their own facts \['a/b'\]"):
        TemplateRealiser(load_pools().styles).realise(_draft(goals=(goal,)))


def test_grammar_refuses_what_cannot_be_expanded() -> None:
    with pytest.raises(ConfigError, match="rule a: refers to unknown rule <b>"):
        Grammar({"a": ["<b>"]}, "g.toml")
    with pytest.raises(ConfigError, match="rule a: has no alternative"):
        Grammar({"a": []}, "g.toml")
    with pytest.raises(ConfigError, match="nothing suits"):
        Grammar({"a": ["@formal@ x"]}, "g.toml").expand("a", random.Random(0), {}, frozenset())


def test_slots_are_not_read_as_grammar() -> None:
    grammar = Grammar({"a": ["[x|x] $v <b>"], "b": ["$v"]}, "g.toml")
    assert grammar.expand("a", random.Random(0), {"v": "<b> [p|q] $v"}, frozenset()) == (
        "x <b> [p|q] $v <b> [p|q] $v"
    )


GOOD = Realisation(
    utterance="Could you zip up notes/ as out/notes.zip? How many files went in?",
    quotes=["zip up notes/ as out/notes.zip"],
)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (GOOD, None),
        (GOOD.model_copy(update={"utterance": "Zip up notes/ please."}), "are missing or changed"),
        (GOOD.model_copy(update={"quotes": []}), "1 quotes are needed"),
        (GOOD.model_copy(update={"quotes": ["never said"]}), "quote 1 does not stand"),
        (
            GOOD.model_copy(update={"utterance": GOOD.utterance + " Keep old/keys.pem."}),
            "not in the list: old/keys.pem",
        ),
        (
            GOOD.model_copy(update={"utterance": GOOD.utterance + " I expect 4217."}),
            "not in the list: 4217",
        ),
    ],
)
def test_code_judges_the_models_text(answer: Realisation, says: str | None) -> None:
    problems = "; ".join(unfaithful(answer, _draft()))
    assert (says or "") in problems
    assert bool(problems) is (says is not None)


class _Model(BaseHTTPRequestHandler):
    """A chat endpoint whose answers a test decides."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer: Callable[[dict[str, Any]], str] = self.server.answer  # type: ignore[attr-defined]
        message = {"role": "assistant", "content": answer(body)}
        payload = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(payload).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def model() -> Iterator[Callable[[Callable[[dict[str, Any]], str]], ModelClient]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()

    def client(answer: Callable[[dict[str, Any]], str]) -> ModelClient:
        server.answer = answer  # type: ignore[attr-defined]
        url = f"http://127.0.0.1:{server.server_port}/v1"
        return ModelClient(Endpoint.parse(f"writer@{url}#attempts=1"))

    yield client
    server.shutdown()
    server.server_close()
    thread.join()


def _faithful(body: dict[str, Any]) -> str:
    """Write the listed items down as they are, which is faithful if not pretty."""
    items = re.findall(r"^\d+\. (.*)\.$", body["messages"][1]["content"], re.M)
    text = " ".join(f"Item {'abcdefghijkl'[n]}: {item}!" for n, item in enumerate(items))
    return json.dumps({"utterance": text, "quotes": items})


def test_llm_is_asked_again_naming_the_rule(model: Any) -> None:
    asked: list[dict[str, Any]] = []

    def answer(body: dict[str, Any]) -> str:
        asked.append(body)
        if len(asked) == 1:
            return json.dumps({"utterance": "Zip notes/ please.", "quotes": ["Zip notes/"]})
        return _faithful(body)

    realiser = LLMRealiser(model(answer), load_pools().styles)
    text = realiser.realise(_draft())
    assert missing_facts(text, [GOAL]) == []
    assert len(asked) == 2
    assert "missing or changed: out/notes.zip" in asked[1]["messages"][-1]["content"]
    assert realiser.record.scripted is False
    assert realiser.record.model == "writer"
    assert realiser.record.prompt_sha256


def test_llm_gives_up_after_bounded_tries(model: Any) -> None:
    asked = []

    def answer(body: dict[str, Any]) -> str:
        asked.append(body)
        return json.dumps({"utterance": "No.", "quotes": ["No"]})

    realiser = LLMRealiser(model(answer), load_pools().styles, reasks=2)
    with pytest.raises(ModelEndpointError, match="no faithful utterance in 3 tries"):
        realiser.realise(_draft())
    assert len(asked) == 3


def _sampled(tmp_path: Path, count: int) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(intent.model_dump_json() + "\n" for intent in sample(count, 4)))
    return path


def test_rewording_resumes_where_it_was_killed(tmp_path: Path, model: Any) -> None:
    source, out = _sampled(tmp_path, 6), tmp_path / "out.jsonl"
    pools = load_pools()
    realiser = LLMRealiser(model(_faithful), pools.styles)
    first = reword(source, out, realiser, pools, concurrency=1)
    next(first)
    next(first)
    first.close()
    out.write_text(out.read_text() + '{"id": "intent_torn')
    counts = list(reword(source, out, realiser, pools, concurrency=3))[-1]
    assert (counts.already, counts.written, counts.failed) == (2, 4, 0)
    before, after = list(load_intents(source)), list(load_intents(out))
    assert [intent.id for intent in after] == [intent.id for intent in before]
    for old, new in zip(before, after, strict=True):
        assert new.tasks == old.tasks
        assert new.utterance != old.utterance
        assert missing_facts(new.utterance, draft_of(new, pools).subgoals) == []


def test_rewording_says_which_intents_it_could_not_word(tmp_path: Path, model: Any) -> None:
    source, out = _sampled(tmp_path, 3), tmp_path / "out.jsonl"
    pools = load_pools()
    bad = list(load_intents(source))[1]

    def answer(body: dict[str, Any]) -> str:
        spoken_by = bad.persona is not None and bad.persona.name in body["messages"][1]["content"]
        return json.dumps({"utterance": "No.", "quotes": []}) if spoken_by else _faithful(body)

    realiser = LLMRealiser(model(answer), pools.styles, reasks=0)
    counts = list(reword(source, out, realiser, pools))[-1]
    assert (counts.written, counts.failed) == (2, 1)
    (lost,) = (tmp_path / "out.jsonl.failed.jsonl").read_text().splitlines()
    assert json.loads(lost)["id"] == bad.id


def test_only_sampled_intents_can_be_reworded() -> None:
    with pytest.raises(ConfigError, match="only sampled intents"):
        draft_of(Intent(id="a", utterance="x"), load_pools())
