from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ise_env.errors import ConfigError
from ise_env.intents.splits import CANARY, split_of
from ise_env.rollout.export.formats import FORMATS, format_of
from ise_env.rollout.export.selection import Selection
from ise_env.rollout.export.shape import Shape, parsed_arguments
from ise_env.rollout.export.source import Source
from ise_env.traces.isetrace import read_isetrace
from ise_env.traces.lock import RunLock
from ise_env.traces.reader import read_run
from ise_env.traces.record import is_users_turn


def export(name, runs, out, shape=None, **selection):
    form = format_of(name)
    source = Source(runs if isinstance(runs, list) else [runs], Selection(**selection))
    return form.write(source, out, shape or form.shape)


def rows(path):
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def wire(record):
    return [{k: v for k, v in m.items() if k != "x"} for m in record.messages]


def test_openai_rows_are_the_messages_word_for_word(runs, tmp_path):
    report = export("openai", runs / "faulty", tmp_path / "o.jsonl")
    records = list(read_run(runs / "faulty"))
    found = rows(tmp_path / "o.jsonl")
    assert report.written == len(found) == 6
    assert [row["messages"] for row in found] == [wire(r) for r in records]
    assert "exec" in {tool["function"]["name"] for tool in found[0]["tools"]}


def test_hf_folder_is_read_by_datasets(runs, tmp_path):
    datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")
    report = export("hf", runs / "oracle", tmp_path / "hf")
    assert sorted(p.name for p in (tmp_path / "hf").iterdir()) == ["README.md", "data"]
    loaded = datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    found = {row["id"]: row for split in loaded.values() for row in split}
    records = {r.episode_id: r for r in read_run(runs / "oracle")}
    assert found.keys() == records.keys()
    assert report.written == len(found)
    for id_, row in found.items():
        shape = Shape(arguments="object")
        assert row["messages"] == shape.chat(records[id_].messages)
        assert row["success"] is True
        assert row["tools"][0]["type"] == "function"
        held_out = split_of(records[id_].intent) != "train"
        assert row["canary"] == (CANARY if held_out else None)
    assert "| episodes | 6 |" in (tmp_path / "hf" / "README.md").read_text()


def test_isetrace_rows_are_read_by_the_importer(runs, tmp_path):
    export("isetrace", runs / "faulty", tmp_path / "i.jsonl")
    again = [i.trajectory for i in read_isetrace(tmp_path / "i.jsonl")]
    for before, after in zip(read_run(runs / "faulty"), again, strict=True):
        # Results name their tool in the published layout.
        plain = [{k: v for k, v in m.items() if k != "name"} for m in wire(after)]
        assert plain == [m for m in wire(before) if m["role"] != "system"]
        assert after.intent.utterance == before.intent.utterance


@pytest.mark.parametrize("format_", ["openai", "isetrace"])
def test_what_is_held_out_is_counted_unless_a_split_was_asked_for(runs, tmp_path, format_):
    counted = "of held-out intents: --split train leaves them out"
    held_out = sum(split_of(r.intent) != "train" for r in read_run(runs / "faulty"))
    assert held_out
    report = export(format_, runs / "faulty", tmp_path / "all")
    assert report.notes[counted] == held_out
    report = export(format_, runs / "faulty", tmp_path / "train", split="train")
    assert counted not in report.notes


def test_llamafactory_turns_alternate(runs, tmp_path):
    report = export("llamafactory", runs / "faulty", tmp_path / "l")
    info = json.loads((tmp_path / "l" / "dataset_info.json").read_text())["ise"]
    found = rows(tmp_path / "l" / info["file_name"])
    assert report.written + report.left_out["turns do not alternate"] == 6
    assert len(found) >= 5
    for row in found:
        kinds = [turn["from"] for turn in row[info["columns"]["messages"]]]
        assert set(kinds[::2]) <= {"human", "observation"}
        assert set(kinds[1::2]) <= {"gpt", "function_call"}
        calls = [t["value"] for t in row["conversations"] if t["from"] == "function_call"]
        assert all(set(json.loads(call)) == {"name", "arguments"} for call in calls)
        assert "exec" in {tool["name"] for tool in json.loads(row["tools"])}
    said = sum(bool(m.get("tool_calls") and m["content"]) for r in found for m in r.get("x", ()))
    assert said == 0
    assert report.notes["texts beside a tool call left out"] > 0


def test_atif_files_are_valid_to_the_package_that_reads_them(runs, tmp_path):
    atif = pytest.importorskip("atif", reason="the package atif is not installed")
    export("atif", runs / "faulty", tmp_path / "a")
    for record in read_run(runs / "faulty"):
        path = tmp_path / "a" / f"{record.episode_id}.json"
        whole = atif.Trajectory.model_validate_json(path.read_bytes())
        assert [s.source for s in whole.steps if s.source != "system"] == [
            "agent" if m["role"] == "assistant" else m["role"]
            for m in record.messages
            if m["role"] in ("user", "assistant")
        ]
        results = [r for s in whole.steps if s.observation for r in s.observation.results]
        tool_texts = [m["content"] for m in record.messages if m["role"] == "tool"]
        assert [r.content for r in results] == tool_texts
        assert whole.extra["success"] == record.success


def test_preference_pairs_share_their_prompt(runs, tmp_path):
    both = [runs / "oracle", runs / "faulty"]
    records = {r.episode_id: r for r in read_run(runs / "faulty")}
    failures = sum(r.success is False for r in records.values())
    assert failures  # the seed of the fixture was chosen so
    report = export("preference", both, tmp_path / "p.jsonl", shape=Shape())
    found = rows(tmp_path / "p.jsonl")
    assert report.written == len(found) == failures
    of_oracle = [wire(r) for r in read_run(runs / "oracle")]
    of_faulty = [wire(r) for r in records.values() if not r.success]
    for row in found:
        assert row["prompt"][-1]["role"] != "assistant"
        assert any(m["role"] == "user" for m in row["prompt"])
        assert row["chosen"][0]["role"] == row["rejected"][0]["role"] == "assistant"
        assert row["prompt"] + row["chosen"] in of_oracle
        assert row["prompt"] + row["rejected"] in of_faulty


def test_rl_sequences_hold_each_sampled_token_in_its_own_context(rewritten, tmp_path):
    """Ids as a server gives them: each prompt is all that went before, but one is rewritten."""

    def with_tokens(record):
        context, fresh, steps = [1, 2, 3], 100, 0
        for message in record["messages"]:
            if message["role"] != "assistant":
                continue
            steps += 1
            if steps == 3:
                context = [9, *context[1:]]  # a template that rewrote the past
            sampled = [fresh, fresh + 1]
            message["x"] |= {
                "prompt_token_ids": list(context),
                "token_ids": sampled,
                "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -0.25}]},
            }
            context = [*context, *sampled, 7]
            fresh += 2
        return record

    export("rl", rewritten(with_tokens), tmp_path / "rl.jsonl")
    records = list(read_run(tmp_path / "rewritten"))
    for row, record in zip(rows(tmp_path / "rl.jsonl"), records, strict=True):
        steps = [m["x"] for m in record.messages if m["role"] == "assistant"]
        first, second = row["sequences"]
        assert first["tokens"] == [*steps[1]["prompt_token_ids"], *steps[1]["token_ids"]]
        assert first["mask"] == [0, 0, 0, 1, 1, 0, 1, 1]
        assert first["logprobs"] == [0, 0, 0, -0.5, -0.25, 0, -0.5, -0.25]
        assert second["tokens"] == [*steps[-1]["prompt_token_ids"], *steps[-1]["token_ids"]]
        sampled = [
            t for s in row["sequences"] for t, m in zip(s["tokens"], s["mask"], strict=True) if m
        ]
        assert sampled == [t for s in steps for t in s["token_ids"]]
        assert row["reward"] == record.reward


def test_rl_leaves_out_episodes_without_token_ids(runs, tmp_path):
    with pytest.raises(ConfigError, match="nothing to export: 6 without token ids"):
        export("rl", runs / "faulty", tmp_path / "rl.jsonl")
    assert not list(tmp_path.iterdir())


def test_a_preference_needs_words_of_the_agent_on_both_sides(runs, rewritten, tmp_path):
    """A failure that ended before the agent spoke left an empty prompt and rejected the user."""

    def cut(record):
        before = [m for m in record["messages"][:2] if m["role"] != "assistant"]
        return {**record, "messages": before, "success": False, "reward": 0.0}

    with pytest.raises(ConfigError, match="6 the agent said nothing"):
        export("preference", [runs / "oracle", rewritten(cut)], tmp_path / "p.jsonl")


def test_a_preference_pairs_only_what_was_given_the_same(runs, rewritten, tmp_path):
    """Under another system prompt nothing is common, and the prompt would be empty."""

    def told_otherwise(record):
        record["messages"][0]["content"] = "Be brief."
        return {**record, "success": False, "reward": 0.0}

    with pytest.raises(ConfigError, match="no partner with the same opening"):
        export("preference", [runs / "oracle", rewritten(told_otherwise)], tmp_path / "p.jsonl")


def test_rl_takes_every_sample_of_a_group(rewritten, tmp_path, ise):
    """Two samples with the same words are two samples: a group's mean reward counts both."""

    def twin(record):
        for message in record["messages"]:
            if message["role"] == "assistant":
                message["x"] |= {"prompt_token_ids": [1], "token_ids": [2]}
        return record

    run = rewritten(twin)
    (shard,) = (run / "shards").iterdir()
    again = [
        json.dumps(json.loads(line) | {"episode_id": f"{n:016x}", "trial": 1})
        for n, line in enumerate(shard.read_text().splitlines())
    ]
    shard.write_text(shard.read_text() + "".join(f"{line}\n" for line in again))
    assert ise("export", run, "-f", "rl", "--out", tmp_path / "rl")[1].startswith("12 episodes")
    assert ise("export", run, "-f", "openai", "--out", tmp_path / "o")[1].startswith("6 episodes")


# -- what is taken ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selection", "holds"),
    [
        ({"success": True}, lambda r: r.success),
        ({"success": False}, lambda r: not r.success),
        ({"tiers": ("medium",)}, lambda r: r.intent.complexity == "medium"),
        ({"domains": ("file-io",)}, lambda r: "file-io" in r.intent.domains),
        ({"turns": (7, 8)}, lambda r: 7 <= sum(map(is_users_turn, r.messages)) <= 8),
        ({"max_messages": 70}, lambda r: len(r.messages) <= 70),
        ({"split": "train"}, lambda r: split_of(r.intent) == "train"),
        ({"drift_free": True}, lambda r: True),
        ({"who": "scripted"}, lambda r: True),
    ],
)
def test_filters_take_what_they_say(runs, selection, holds):
    records = list(read_run(runs / "faulty"))
    taken = {r.episode_id for r in Selection(**selection).of(records)}
    assert taken == {r.episode_id for r in records if holds(r)}


def test_failures_and_recoveries_can_be_asked_for(runs):
    records = list(read_run(runs / "faulty"))

    def failed(r):
        return sum(
            m["x"]["outcome"]["status"] in ("nonzero_exit", "tool_error", "timeout", "killed")
            for m in r.messages
            if m["role"] == "tool"
        )

    clean = {r.episode_id for r in Selection(max_failed=0.0).of(records)}
    assert clean == {r.episode_id for r in records if not failed(r)}
    healed = {r.episode_id for r in Selection(min_recovered=1.0).of(records)}
    assert healed == {r.episode_id for r in records if len(r.recoveries) == failed(r)}


def test_a_share_of_failed_calls_is_exact(runs):
    """29 of 100 is 0.29, although 0.29 * 100 is less than 29 in floating point."""
    call = {"id": "c", "type": "function", "function": {"name": "exec", "arguments": "{}"}}
    messages = []
    for n in range(100):
        status = "tool_error" if n < 29 else "ok"
        messages += [
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "x": {"outcome": {"status": status}}},
        ]
    record = next(iter(read_run(runs / "faulty"))).model_copy(update={"messages": messages})
    assert list(Selection(max_failed=0.29).of([record])) == [record]
    assert list(Selection(max_failed=0.28).of([record])) == []


def test_episodes_that_differ_in_reasoning_are_no_duplicates(runs):
    record = next(iter(read_run(runs / "faulty")))
    thoughtful = [
        {**m, "reasoning_content": "hm"} if m["role"] == "assistant" else m for m in record.messages
    ]
    both = [record, record.model_copy(update={"messages": thoughtful})]
    assert list(Selection().of(both)) == both


def test_duplicates_and_too_many_of_an_intent_are_left_out(runs):
    records = list(read_run(runs / "faulty"))
    selection = Selection()
    assert len(list(selection.of([*records, *records]))) == len(records)
    assert selection.left_out["duplicate"] == len(records)
    few = Selection(per_intent=1, unique=False)
    assert len(list(few.of([*records, *records]))) == len(records)


def test_models_and_scripts_are_mixed_only_when_asked(runs, rewritten, tmp_path):
    def made_by_a_model(record):
        record["provenance"]["agent"] |= {"scripted": False, "model": "m"}
        return record

    both = [runs / "oracle", rewritten(made_by_a_model)]
    with pytest.raises(ConfigError, match="--who model, --who scripted or --who all"):
        export("openai", both, tmp_path / "o.jsonl")
    assert not (tmp_path / "o.jsonl").exists()
    assert export("openai", both, tmp_path / "m.jsonl", who="model").written == 6
    assert export("openai", both, tmp_path / "a.jsonl", who="all").written == 12


def test_what_was_said_against_the_lock_is_drift(rewritten):
    def drifted(record):
        turn = next(m for m in record["messages"] if m["role"] == "user")
        turn["x"]["user"]["attempts"] = [{"source": "model", "rules": ["perspective.offer"]}]
        return record

    selection = Selection(drift_free=True)
    assert list(selection.of(read_run(rewritten(drifted)))) == []
    assert selection.left_out == {"a turn broke the role lock": 6}


# -- how it is put ---------------------------------------------------------------------------

_ASKS = {
    "role": "assistant",
    "content": "",
    "reasoning_content": "hm",
    "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "read", "arguments": '{"path": "x"}'}},
        {"id": "b", "type": "function", "function": {"name": "read", "arguments": "{broken"}},
    ],
    "x": {"step": 1},
}
_CHAT = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": "one"},
    {"role": "user", "content": "two"},
    _ASKS,
    {"role": "tool", "tool_call_id": "b", "content": "for b"},
    {"role": "tool", "tool_call_id": "a", "content": "for a"},
    {"role": "assistant", "content": "done", "reasoning_content": "so"},
]


def test_arguments_become_objects_where_they_are_ones():
    calls = Shape(arguments="object").chat(_CHAT)[3]["tool_calls"]
    assert calls[0]["function"]["arguments"] == {"path": "x"}
    assert calls[1]["function"]["arguments"] == "{broken"
    assert _ASKS["tool_calls"][0]["function"]["arguments"] == '{"path": "x"}'


def test_parallel_calls_are_split_each_with_its_result():
    shown = Shape(parallel="split").chat(_CHAT)
    assert [m["role"] for m in shown[3:]] == ["assistant", "tool", "assistant", "tool", "assistant"]
    assert [m["content"] for m in shown if m["role"] == "tool"] == ["for a", "for b"]
    assert [c["id"] for m in shown for c in m.get("tool_calls", ())] == ["a", "b"]


def test_users_reasoning_nulls_and_the_system_prompt_are_options():
    shape = Shape(users="merge", reasoning="inline", empty="null", system=False)
    shown = shape.chat(_CHAT)
    assert shown[0] == {"role": "user", "content": "one\n\ntwo"}
    assert shown[1]["content"] == "<think>\nhm\n</think>\n\n"
    assert shown[-1] == {"role": "assistant", "content": "<think>\nso\n</think>\n\ndone"}
    dropped = Shape(reasoning="drop", empty="null").chat(_CHAT)
    assert dropped[3]["content"] is None
    assert not any("reasoning_content" in m for m in dropped)


def test_reasoning_goes_in_front_of_content_in_parts():
    parts = [{"type": "text", "text": "a"}]
    message = {"role": "assistant", "content": parts, "reasoning": "hm"}
    (shown,) = Shape(reasoning="inline").chat([message])
    assert shown["content"] == [{"type": "text", "text": "<think>\nhm\n</think>\n\n"}, *parts]
    assert parts == [{"type": "text", "text": "a"}]


# -- whatever a model can say ----------------------------------------------------------------

_FUNCTION = {"name": "read", "arguments": {"path": "x"}}
_ODD_CALLS = [
    "read x",
    {"id": "x"},
    {"id": "y", "type": "function", "function": None},
    {"function": {"name": "exec", "arguments": None}},
    {"id": "c", "type": "function", "function": _FUNCTION},
]
_ANSWERED_AS = ["call_0", "x", "y", "call_3", "c"]
"""The ids that `tools.dispatch` answers them under."""
_ODD = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": "u"},
    {
        "role": "assistant",
        "content": [{"type": "text", "text": "part one,"}, {"type": "text", "text": " part two"}],
        "reasoning": "hm",
        "tool_calls": [{"id": "c", "function": {"name": "exec", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "first"},
    {"role": "assistant", "content": "", "tool_calls": _ODD_CALLS},
    *({"role": "tool", "tool_call_id": id_, "content": f"for {id_}"} for id_ in _ANSWERED_AS),
    {"role": "assistant", "content": [{"type": "text", "text": "done"}]},
]


@pytest.fixture
def odd(rewritten):
    """A run with calls that are none, an id used in two messages, and content in parts."""

    def change(record):
        record["provenance"]["agent"] |= {"scripted": False, "model": "m"}
        return {**record, "messages": _ODD, "recoveries": []}

    return rewritten(change, "odd")


def test_calls_that_are_none_are_split_with_their_results(odd):
    shown = Shape(parallel="split").chat(_ODD)[4:-1]
    assert [m["tool_calls"][0] for m in shown[::2]] == _ODD_CALLS
    assert [m["tool_call_id"] for m in shown[1::2]] == _ANSWERED_AS


def test_isetrace_takes_calls_that_are_none(odd, tmp_path):
    export("isetrace", odd, tmp_path / "i.jsonl")
    row = rows(tmp_path / "i.jsonl")[0]
    names = [m["name"] for m in row["messages"] if m["role"] == "tool"]
    assert names == ["exec", "", "", "", "", "read"]
    assert row["final_output"] == "done"


def test_atif_takes_calls_that_are_none(odd, tmp_path):
    atif = pytest.importorskip("atif", reason="the package atif is not installed")
    export("atif", odd, tmp_path / "a")
    (path,) = (tmp_path / "a").iterdir()
    first, second, last = atif.Trajectory.model_validate_json(path.read_bytes()).steps[2:]
    assert (first.message, first.reasoning_content) == ("part one, part two", "hm")
    assert [call.tool_call_id for call in second.tool_calls] == _ANSWERED_AS
    assert [call.function_name for call in second.tool_calls] == ["", "", "", "exec", "read"]
    assert second.tool_calls[0].extra == {"raw_call": "read x"}
    assert last.message == "done"


def test_llamafactory_leaves_out_calls_without_a_name_and_counts_reasoning(
    odd, rewritten, tmp_path
):
    with pytest.raises(ConfigError, match=r"nothing to export: .* a call names no tool"):
        export("llamafactory", odd, tmp_path / "l")
    named = [*_ODD[:4], _ODD[-1]]
    run = rewritten(lambda record: {**record, "messages": named, "recoveries": []}, "named")
    report = export("llamafactory", run, tmp_path / "n")
    turns = rows(tmp_path / "n" / "ise.jsonl")[0]["conversations"]
    assert turns[-1] == {"from": "gpt", "value": "done"}
    assert report.notes["reasonings left out"] == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
arguments = st.one_of(
    st.dictionaries(st.text(max_size=8), json_values, max_size=3).map(json.dumps),
    st.text(max_size=30),
    st.sampled_from(['{"a": "\\ud83d"}', '{"a": NaN}', "[1]", "null", "", '{"b": "' + "x" * 9000]),
)
calls = st.lists(arguments, min_size=1, max_size=3)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


hostile = st.tuples(texts, st.lists(arguments, min_size=1, max_size=3), texts)


def _messages(said, asked, answer):
    tool_calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "exec", "arguments": text}}
        for n, text in enumerate(asked)
    ]
    return [
        {"role": "user", "content": said},
        {"role": "assistant", "content": None, "tool_calls": tool_calls},
        *({"role": "tool", "tool_call_id": c["id"], "content": answer} for c in tool_calls),
        {"role": "assistant", "content": answer},
    ]


def _exported(runs, tmp, name, shape, contents):
    """Write a run of these contents and export it."""
    record = next(iter(read_run(runs / "faulty")))
    run = tmp / "run"
    (run / "shards").mkdir(parents=True)
    (run / "tools").symlink_to(runs / "faulty" / "tools")
    (run / "run.json").write_bytes((runs / "faulty" / "run.json").read_bytes())
    lines = [
        record.model_copy(update={"messages": _messages(*c)}).model_dump_json() + "\n"
        for c in contents
    ]
    (run / "shards" / "w0-00000.jsonl").write_text("".join(lines), encoding="utf-8")
    export(name, run, tmp / "out", shape=shape, unique=False)
    return tmp / "out"


PATIENT = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25
)


@pytest.mark.parametrize("name", ["openai", "llamafactory", "atif"])
@pytest.mark.parametrize("arguments_as", ["string", "object"])
@PATIENT
@given(content=hostile)
def test_hostile_content_is_written_whole(runs, tmp_path_factory, name, arguments_as, content):
    shape = Shape(arguments=arguments_as)
    out = _exported(runs, tmp_path_factory.mktemp("hostile"), name, shape, [content])
    if name == "openai":
        assert rows(out)[0]["messages"] == shape.chat(_messages(*content))


@pytest.mark.parametrize("arguments_as", ["string", "object"])
@settings(PATIENT, max_examples=3, phases=[Phase.generate])  # shrinking would take minutes
@given(contents=st.lists(hostile, min_size=20, max_size=40))
def test_hostile_content_survives_parquet(runs, tmp_path_factory, arguments_as, contents):
    """Null, parallel calls, Unicode, huge and invalid arguments, numbers of any size."""
    datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")
    tmp = tmp_path_factory.mktemp("hostile")
    shape = Shape(arguments=arguments_as)
    out = _exported(runs, tmp, "hf", shape, contents)
    (split,) = datasets.load_dataset(str(out), cache_dir=str(tmp / "cache")).values()
    for row, content in zip(split, contents, strict=True):
        expected = Shape().chat(_messages(*content))
        for found, wanted in zip(row["messages"], expected, strict=True):
            for one, other in zip(
                found.get("tool_calls", ()), wanted.get("tool_calls", ()), strict=True
            ):
                text, value = other["function"]["arguments"], one["function"]["arguments"]
                assert value in (text, parsed_arguments(other))
                one["function"]["arguments"] = text
            assert found == wanted


# -- bad input -------------------------------------------------------------------------------


def test_bad_input_is_one_clear_line(runs, tmp_path, ise):
    def fails(*arguments):
        status, out, err = ise("export", *arguments)
        assert (status, out, err.count("\n")) == (2, "", 1)
        return err

    run = runs / "oracle"
    out = tmp_path / "out"
    assert "unknown format 'csv'; known: openai, hf" in fails(run, "-f", "csv", "--out", out)
    line = fails(run, "-f", "openai", "--failure", "--out", out)
    assert "nothing to export: 6 of the other success" in line
    line = fails(run, "-f", "openai", "--turns", "many", "--out", out)
    assert "--turns many: expected a range" in line
    line = fails(run, "-f", "openai", "--turns", "9-3", "--out", out)
    assert "--turns 9-3: the range is empty" in line
    assert "--who me: expected one of" in fails(run, "-f", "openai", "--who", "me", "--out", out)
    assert "not a run" in fails(tmp_path, "-f", "openai", "--out", out)
    assert not out.exists()
    out.write_text("mine")
    for name in FORMATS:
        assert "is there already" in fails(run, "-f", name, "--out", out)
    assert out.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("format_", "option", "said"),
    [
        ("atif", "--parallel=split", "--parallel says nothing to this format"),
        ("isetrace", "--no-system", "--system says nothing to this format"),
        ("rl", "--arguments=object", "--arguments says nothing to this format"),
        ("llamafactory", "--users=keep", "it takes --reasoning only"),
        ("preference", "--success", "format preference needs both"),
    ],
)
def test_an_option_that_a_format_cannot_heed_is_refused(runs, tmp_path, ise, format_, option, said):
    out = tmp_path / "out"
    status, _, err = ise("export", runs / "faulty", "-f", format_, option, "--out", out)
    assert (status, err.count("\n"), said in err, out.exists()) == (2, 1, True, False)


def test_what_a_killed_export_left_is_not_in_the_way(runs, tmp_path):
    for left in (tmp_path / ".a.tmp", tmp_path / ".a.1.tmp"):
        (left / "inside").mkdir(parents=True)
    assert export("atif", runs / "oracle", tmp_path / "a").written == 6


def test_a_newer_record_leaves_nothing_half_written(rewritten, tmp_path, ise):
    run = rewritten(lambda record: {**record, "schema_version": 99})
    status, _, err = ise("export", run, "-f", "openai", "--out", tmp_path / "o.jsonl")
    assert (status, err.count("\n")) == (2, 1)
    assert "w0-00000.jsonl:1: a record of schema version 99" in err
    assert [p.name for p in tmp_path.iterdir()] == ["rewritten"]


def test_a_run_in_progress_is_exported_only_when_asked(rewritten, tmp_path, ise):
    run = rewritten(lambda record: record)
    lock = RunLock(run / "lock")
    try:
        status, _, err = ise("export", run, "-f", "openai", "--out", tmp_path / "o.jsonl")
        assert (status, "is still being written (pid" in err) == (2, True)
        status, out, _ = ise("export", run, "-f", "openai", "--partial", "--out", tmp_path / "p")
        assert (status, out.splitlines()[0]) == (0, f"6 episodes in {tmp_path / 'p'}")
    finally:
        lock.release()
