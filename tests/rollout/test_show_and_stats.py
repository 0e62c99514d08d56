from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from ise_env.agents.protocol import AgentProvenance
from ise_env.intents.model import Intent
from ise_env.rollout.show import transcript
from ise_env.rollout.stats import Distribution, Statistics
from ise_env.rollout.stats_page import page
from ise_env.rollout.stats_table import render_statistics
from ise_env.terminal import neutral
from ise_env.traces.record import ErrorRecord, Provenance, Recovery, Termination, Trajectory


def call(id_, name, **arguments):
    return {
        "id": id_,
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments)},
    }


def result(id_, text, status="ok", **outcome):
    outcome = {"status": status, "duration_s": 0.0, **outcome}
    return {"role": "tool", "tool_call_id": id_, "content": text, "x": {"outcome": outcome}}


def episode(*messages, **changes):
    intent = Intent(id="i", utterance="tidy up", source="text")
    record = Trajectory(
        episode_id="e0",
        run_id="r",
        intent=intent,
        intent_sha256=intent.sha256(),
        trial=0,
        seed=0,
        messages=[{"role": "system", "content": "You work."}, *messages],
        steps=1,
        reward=1.0,
        success=True,
        termination=Termination(reason="user_satisfied", by="user", truncated=False),
        valid=True,
        workspace=None,
        provenance=Provenance(
            agent=AgentProvenance(name="a", scripted=True),
            user=None,
            realiser=None,
            versions={},
            system_prompt_sha256="",
            tools_sha256="",
        ),
        wall_s=1.0,
    )
    return record.model_copy(update=changes)


def shown(record, **options):
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    for part in transcript(record, **options):
        console.print(part)
    return console.file.getvalue()


TIDY = (
    {"role": "user", "content": "tidy up", "x": {"turn": 1, "user": {"act": "request"}}},
    {
        "role": "assistant",
        "content": "On it.",
        "tool_calls": [
            call("c1", "exec", command="ls /nowhere"),
            call("c2", "write", path="a.txt", content="one\ntwo"),
        ],
    },
    result("c1", "no such file", "nonzero_exit", exit_code=2, recovered_by="c3"),
    result("c2", "Successfully wrote 7 bytes to a.txt"),
    {"role": "assistant", "content": "", "tool_calls": [call("c3", "exec", command="ls .")]},
    result("c3", "a.txt"),
    {"role": "assistant", "content": "Tidy."},
    {"role": "user", "content": "Thanks.", "x": {"turn": 2, "user": {"act": "close"}}},
)


def test_a_transcript_tells_the_story():
    text = shown(episode(*TIDY))
    for words in (
        "user  turn 1  request",
        "> exec  $ ls /nowhere",
        "< exec nonzero_exit 2  recovered by c3",
        "< write ok",
        "Success, reward 1.",
    ):
        assert words in text
    assert "You work." not in text
    assert "You work." in shown(episode(*TIDY), system=True)


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J\x1b[31mred",
        "\x1b]0;title\x07",
        "\x9b31m",
        "back\x08\x08space",
        "bidi \u202e override",
        "\rcarriage",
        "[bold]markup[/bold] [link=file:///etc/passwd]x[/link]",
    ],
)
def test_nothing_in_a_transcript_reaches_the_terminal_as_a_command(hostile):
    record = episode(
        {"role": "user", "content": hostile},
        {
            "role": "assistant",
            "content": hostile,
            "reasoning_content": hostile,
            "tool_calls": [
                call("c1", hostile, command=hostile),
                {"id": "c2", "type": "function", "function": {"name": "x", "arguments": hostile}},
            ],
        },
        result("c1", hostile, error=hostile),
        intent=Intent(id="i", utterance=hostile, source="text"),
    )
    text = shown(record)
    assert not set(text) & set(map(chr, [*range(10), *range(11, 32), 127, *range(0x80, 0xA0)]))
    assert "\u202e" not in text
    if "[bold]" in hostile:
        assert "[bold]markup[/bold]" in text


def test_neutral_keeps_ordinary_text():
    assert neutral("a\tb\r\nc äöü 😀") == "a\tb\nc äöü 😀"
    assert neutral("\x1b[0m") == "␛[0m"


def test_long_output_is_cut_in_the_middle_and_shown_whole_on_request():
    record = episode(*TIDY[:2], result("c1", "\n".join(f"line {n}" for n in range(100))))
    assert "line 50" not in shown(record)
    assert "86 more lines" in shown(record)
    assert "line 50" in shown(record, full=True)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": "", "tool_calls": ["nonsense"]},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "part"}]},
        {"role": "tool", "content": "orphan"},
        {"role": "developer", "content": "odd"},
    ],
)
def test_odd_messages_are_shown_and_counted(message):
    assert shown(episode(message))
    statistics = Statistics()
    statistics.add(episode(message))
    assert statistics.valid == 1


def test_statistics_of_a_small_corpus():
    statistics = Statistics()
    recovery = Recovery(failed="c1", recovered="c3", calls_between=1, tool="exec")
    statistics.add(episode(*TIDY, recoveries=[recovery]))
    statistics.add(episode(*TIDY[:1], success=False, reward=0.0))
    error = ErrorRecord(kind="WorkspaceError", blame="workspace", message="x", retryable=True)
    statistics.add(episode(valid=False, error=error, success=None, reward=None))
    figures = statistics.as_dict()
    assert (figures["valid"], figures["invalid"], figures["judged"]) == (2, 1, 2)
    assert figures["success_of_judged"] == 0.5
    assert figures["success_invalid_as_failure"] == pytest.approx(1 / 3)
    assert figures["calls_by_tool"] == {"exec": 2, "write": 1}
    assert figures["trajectories_using_both"] == {"exec+write": 1}
    assert (figures["failed_calls"], figures["recovered_failures"]) == (1, 1)
    assert figures["turns"]["mean"] == 4.5
    assert figures["failed_by_tool"] == {"exec": 1}
    assert figures["errors"] == {"WorkspaceError": 1}
    json.dumps(figures)
    console = Console(file=io.StringIO(), width=100)
    console.print(render_statistics(statistics))
    assert "23,132" in console.file.getvalue()


def test_made_up_tools_are_not_counted_as_tools():
    statistics = Statistics()
    asked = {"role": "assistant", "content": "", "tool_calls": [call("a", "exec"), call("b", "x1")]}
    again = {"role": "assistant", "content": "", "tool_calls": [call("c", "x2")]}
    missing = {"status": "tool_error", "error": "unknown_tool"}
    answers = [result("a", "ok"), result("b", "no", **missing), result("c", "no", **missing)]
    statistics.add(episode(asked, *answers[:2], again, answers[2]))
    figures = statistics.as_dict()
    assert figures["distinct_tools"]["mean"] == 1
    assert figures["calls_by_tool"] == {"(no such tool)": 2, "exec": 1}
    assert figures["failed_by_tool"] == {"(no such tool)": 2}


def test_drift_wording_and_order_of_tools_are_counted():
    turns = [
        {"act": "request", "attempts": [{"source": "model", "rules": ["perspective.offer"]}, {}]},
        {"act": "close", "attempts": [{"source": "model", "rules": ["register.length"]}]},
    ]
    messages = [
        {"role": "user", "content": f"word {n} word", "x": {"user": turn, "turn": n, "step": 0}}
        for n, turn in enumerate(turns)
    ]
    statistics = Statistics()
    statistics.add(episode(messages[0], *TIDY, messages[1]))
    figures = statistics.as_dict()
    assert (figures["user_attempts_rejected"], figures["user_turns_drifted"]) == (1, 1)
    assert figures["user_distinct_n"]["1"] < 1
    assert figures["topology"]["follows"]
    imported = Statistics()
    imported.add(episode({"role": "user", "content": "word word"}, *TIDY))
    assert imported.as_dict()["user_distinct_n"]["1"] > 0, "no act is known, the words are"


def test_the_page_of_statistics_holds_what_traces_say_as_text():
    statistics = Statistics()
    hostile = "<script>x</script>"
    asked = {"role": "assistant", "content": "", "tool_calls": [call("a", hostile)] * 2}
    statistics.add(episode(asked, result("a", "fine")))
    shown = page(hostile, statistics)
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") >= 3
    assert page("empty", Statistics()).count("nothing to show") == 4


def test_a_distribution_knows_its_quantiles():
    distribution = Distribution()
    for value in [5, 1, 3, 3, 8, 2]:
        distribution.add(value)
    assert (distribution.mean, distribution.quantile(0.5)) == (pytest.approx(22 / 6), 3)
    assert (distribution.maximum, distribution.share(2, 3)) == (8, 0.5)
    assert Distribution().quantile(0.5) is None
