"""Whatever an agent sends, every id is answered exactly once."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ise_env.errors import AgentError, WorkspaceError
from ise_env.tools import registry
from ise_env.tools.base import Outcome, Params, ToolContext, ToolResult
from ise_env.tools.dispatch import dispatch
from ise_env.tools.relabel import outcome_from_text
from ise_env.workspaces.protocol import WorkspaceGone


def request(call_id, name="exec", arguments='{"command": "echo hi"}', **more):
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    } | more


def ids(result):
    return [done.message["tool_call_id"] for done in result.results]


def error_of(done):
    value = json.loads(done.message["content"])
    assert value["status"] == "error"
    return value["error"]


def test_answers_come_in_order_in_the_wire_shape(call):
    result = call.send(request("b", arguments='{"command": "echo 1"}'), request("a"))
    assert [done.message for done in result] == [
        {"role": "tool", "tool_call_id": "b", "content": "1"},
        {"role": "tool", "tool_call_id": "a", "content": "hi"},
    ]
    first = result.results[0]
    assert first.call.outcome is first.outcome
    assert (first.call.tool, first.call.arguments) == ("exec", {"command": "echo 1"})
    assert (result.gone, result.failure, result.over_budget, len(result)) == (None, None, False, 2)


def test_calls_of_one_message_share_a_step(call):
    steps = [done.call.step for done in call.send(request("a"), request("b"))]
    assert steps[0] == steps[1]
    assert call.send(request("c")).results[0].call.step == steps[0] + 1


@pytest.mark.parametrize(
    ("bad", "says", "error"),
    [
        (request("x", "bash"), "there is no tool 'bash'; offered: exec, process", "unknown_tool"),
        (request("x", ""), "there is no tool ''", "unknown_tool"),
        (request("x", "n" * 10_000), "there is no tool 'nnn", "unknown_tool"),
        (request("x", "\ud800"), "there is no tool", "unknown_tool"),
        (request("x", "bash", "{nope"), "there is no tool 'bash'", "unknown_tool"),
        (request("x", None), "needs a name", "bad_call"),
        (request("x", ["exec"]), "needs a name", "bad_call"),
        (request("x", arguments="{nope"), "not valid JSON", "bad_json"),
        (request("x", arguments="[]"), "must be a JSON object", "bad_arguments"),
        (request("x", arguments="{}"), "command: required, but missing", "bad_arguments"),
        (request("x", arguments='{"command": 7}'), "must be a valid string", "bad_arguments"),
        (request("x", arguments=7), "got a number", "bad_arguments"),
        (request("x", arguments='{"a":' * 99_999), "nested too deeply", "bad_json"),
        (request("x", type="custom"), "calls of type 'custom' are not offered", "bad_call"),
        (request("x", type={"a": 1}), "are not offered", "bad_call"),
        (request("x", function="exec"), "needs `function`", "bad_call"),
        ({"id": "x"}, "needs `function`", "bad_call"),
    ],
)
def test_a_malformed_call_costs_itself_only(call, bad, says, error):
    result = call.send(request("before"), bad, request("after"))
    assert ids(result) == ["before", "x", "after"]
    assert [done.outcome.status for done in result] == ["ok", "tool_error", "ok"]
    assert says in error_of(result.results[1])
    assert result.results[1].outcome.error == error
    assert result.results[1].outcome.bytes < 600


@pytest.mark.parametrize("arguments", [{"command": "echo hi"}, '{"command": "echo hi"}'])
def test_arguments_may_be_an_object(call, arguments):
    assert call.send(request("a", arguments=arguments)).results[0].message["content"] == "hi"


@pytest.mark.parametrize("arguments", ["", None, {}, "  "])
def test_no_arguments_at_all(call, arguments):
    done = call.send(request("a", arguments=arguments)).results[0]
    assert "command: required, but missing" in error_of(done)


def test_a_call_without_a_type_is_a_function_call(call):
    bare = request("a")
    del bare["type"]
    assert call.send(bare).results[0].message["content"] == "hi"


def test_a_shared_id_is_answered_once_and_nothing_runs(call):
    make = '{"path": "dup-%d", "content": "x"}'
    result = call.send(
        request("d", "write", make % 1), request("other"), request("d", "write", make % 2)
    )
    assert ids(result) == ["d", "other"]
    assert "2 calls of this message share the id 'd'; none was run" in error_of(result.results[0])
    assert result.results[0].outcome.error == "duplicate_id"
    assert not [name for name in call.workspace.listdir() if name.startswith("dup-")]


def test_an_id_of_an_earlier_message_may_come_again(call):
    for _ in range(2):
        assert call.send(request("0")).results[0].message["content"] == "hi"


@pytest.mark.parametrize("call_id", [None, "", 7, ["a"], {"a": 1}])
def test_a_call_without_a_usable_id_is_told_so(call, call_id):
    result = call.send(request(call_id), request("call_0"))
    assert ids(result) == ["call_0_", "call_0"]
    assert "id that is a non-empty string; it was not run" in error_of(result.results[0])
    assert result.results[1].outcome.status == "ok"


@pytest.mark.parametrize("odd", [None, 7, "exec", ["exec"], True])
def test_a_call_that_is_no_object(call, odd):
    result = call.send(odd, request("a"))
    assert ids(result) == ["call_0", "a"]
    assert "must be an object" in error_of(result.results[0])


@pytest.mark.parametrize("calls", [None, [], {}, "exec", 7])
def test_nothing_to_answer(call, calls):
    assert dispatch({"tool_calls": calls}, call.tools, call.context).results == ()


def test_a_hundred_parallel_calls(call):
    result = call.send(
        *(request(str(n), arguments=json.dumps({"command": f"echo {n}"})) for n in range(100))
    )
    assert ids(result) == [str(n) for n in range(100)]
    assert [done.message["content"] for done in result] == [str(n) for n in range(100)]


def test_a_budget_answers_the_rest(call):
    result = call.send(*(request(str(n)) for n in range(4)), budget=2)
    assert result.over_budget
    assert [done.outcome.error for done in result] == [None, None, "budget", "budget"]
    assert "the tool-call budget is used up" in error_of(result.results[3])
    assert not call.send(request("a"), request("b"), budget=2).over_budget
    assert call.send(request("a"), budget=0).over_budget


# -- what goes wrong below ---------------------------------------------------------------------


def test_an_agent_whose_workspace_is_gone_gets_every_answer(fresh_call):
    assert fresh_call.send(request("a")).gone is None
    fresh_call.workspace.freeze()  # every process inside ends, as when memory runs out
    result = fresh_call.send(request("b"), request("c", "nope"), request("d"))
    assert ids(result) == ["b", "c", "d"]
    assert isinstance(result.gone, WorkspaceGone)
    assert result.failure is None
    assert [done.outcome.status for done in result] == ["killed", "tool_error", "tool_error"]
    assert {done.outcome.error for done in result} == {"workspace_gone"}
    assert all("processes have ended" in error_of(done) for done in result)


def test_killing_everything_ends_the_call_only(fresh_call):
    result = fresh_call.send(
        request("a", arguments='{"command": "sleep 60", "background": true}'),
        request("b", arguments='{"command": "kill -9 -1; kill -9 1"}'),
        request("c"),
    )
    assert ids(result) == ["a", "b", "c"]
    assert result.gone is None
    assert result.results[2].message["content"] == "hi"


class Nothing(Params):
    pass


@pytest.fixture
def broken_tools(call, monkeypatch):
    """Tools that fail in every way there is, beside the real ones."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))

    def breaking(name, error):
        def run(p: Nothing, context: ToolContext) -> ToolResult:
            raise error

        run.__qualname__ = name
        return registry.tool(name, "Breaks.")(run)

    made = (
        breaking("buggy", ZeroDivisionError("oops")),
        breaking("machinery", WorkspaceError("the executor is lost", retryable=True)),
        breaking("complains", AgentError("not like that")),
    )
    call.tools |= {each.name: each for each in made}
    return call


def test_an_agent_error_is_the_agents(broken_tools):
    result = broken_tools.send(request("a", "complains", "{}"), request("b"))
    assert error_of(result.results[0]) == "not like that"
    assert [done.outcome.status for done in result] == ["tool_error", "ok"]
    assert result.failure is None


@pytest.mark.parametrize("name", ["buggy", "machinery"])
def test_a_failure_of_the_harness_is_handed_back_after_every_answer(broken_tools, name):
    result = broken_tools.send(request("a"), request("b", name, "{}"), request("c"))
    assert ids(result) == ["a", "b", "c"]
    assert [done.outcome.status for done in result] == ["ok", "harness_error", "harness_error"]
    assert isinstance(result.failure, WorkspaceError)
    assert result.failure.retryable == (name == "machinery")
    assert "oops" not in result.results[1].message["content"]  # not for the agent


def test_text_of_a_tool_is_made_encodable(call):
    def run(p: Nothing, context: ToolContext) -> ToolResult:
        return ToolResult("a\ud800", Outcome(status="ok"))

    tools = {"odd": registry.Tool("odd", "x", Nothing, run)}
    result = dispatch({"tool_calls": [request("a", "odd", "{}")]}, tools, call.context)
    assert result.results[0].message["content"] == "a\ufffd"


# -- anything ---------------------------------------------------------------------------------

LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
JUNK = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "function", "name", "arguments"]), inner)
    ),
    max_leaves=6,
)
ALMOST = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["a", "b", "", "call_0"]) | JUNK,
        "type": st.sampled_from(["function", "custom"]) | JUNK,
        "function": st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["read", "write", "edit", "process", "nope"]) | JUNK,
                "arguments": st.sampled_from(["{}", "{", '{"path": "a"}', '{"action": "list"}'])
                | JUNK,
            },
        )
        | JUNK,
    },
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(calls=st.lists(ALMOST | JUNK, max_size=5))
def test_any_calls_are_answered_once_each(call, calls):
    result = call.send(*calls)
    assert result.failure is None
    answered = ids(result)
    assert len(answered) == len(set(answered))
    usable = [c["id"] for c in calls if isinstance(c, dict) and isinstance(c.get("id"), str)]
    assert set(filter(None, usable)) <= set(answered)
    assert len(answered) == len(set(filter(None, usable))) + sum(
        not (isinstance(c, dict) and isinstance(c.get("id"), str) and c["id"]) for c in calls
    )
    for done in result:
        assert set(done.message) == {"role", "tool_call_id", "content"}
        json.dumps(done.message).encode()
        done.message["content"].encode()


# -- relabelling agrees with what is recorded here ----------------------------------------------


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("exec", {"command": "echo fine"}),
        ("exec", {"command": "true"}),
        ("exec", {"command": "exit 9"}),
        ("exec", {"command": "ls /nowhere"}),
        ("exec", {"command": "no-such-thing"}),
        ("exec", {"command": "/etc/passwd"}),
        ("exec", {"command": "sleep 30", "timeout": 0.1}),
        ("exec", {"command": "kill -TERM $$"}),
        ("exec", {"command": "seq 1 100000"}),
        ("exec", {"command": 3}),
        ("process", {"action": "poll", "sessionId": "x"}),
        ("process", {"action": "list"}),
        ("process", {}),
        ("read", {"path": "absent"}),
        ("read", {"path": "/bin/sh"}),
        ("read", {"path": "/etc/passwd", "offset": 99_999}),
        ("read", {"path": "/etc/passwd", "limit": 1}),
        ("write", {"path": "fine", "content": "x"}),
        ("write", {"path": "/", "content": "x"}),
        ("edit", {"path": "/etc/passwd", "oldText": "not in there", "newText": "x"}),
        ("unheard_of", {}),
    ],
)
def test_the_text_alone_says_what_really_happened(call, tool, arguments):
    done = call(tool, **arguments)
    recomputed = outcome_from_text(tool, done.message["content"], arguments)
    assert recomputed.status == done.outcome.status
    assert recomputed.bytes == done.outcome.bytes
    if recomputed.exit_code is not None:
        assert recomputed.exit_code == done.outcome.exit_code
    if recomputed.status != "timeout":  # the text does not say how it was ended
        assert recomputed.signal == done.outcome.signal


def test_a_refused_call_is_recorded_with_what_it_asked_for(call):
    (done,) = call.send(request("a", "bash"))
    assert done.outcome.error == "unknown_tool"
    assert done.call.arguments == {"command": "echo hi"}
