"""A live workspace, and a short way to make tool calls in it."""

import json

import numpy as np
import pytest

from ise_env.tools.base import ToolContext
from ise_env.tools.dispatch import dispatch
from ise_env.tools.registry import resolve


class Calls:
    """Makes tool calls as an agent does, one a message, and keeps the last answer."""

    def __init__(self, workspace, seed=7):
        self.context = ToolContext(workspace, np.random.default_rng(seed))
        self.tools = resolve(["all", "apply_patch"])
        self.workspace = workspace
        self.count = 0

    def send(self, *calls, **more):
        """Dispatch raw tool calls."""
        message = {"role": "assistant", "content": "", "tool_calls": list(calls)}
        return dispatch(message, self.tools, self.context, **more)

    def __call__(self, tool, **arguments):
        """Make one well-formed call; returns its answer."""
        self.count += 1
        function = {"name": tool, "arguments": json.dumps(arguments)}
        result = self.send({"id": f"call-{self.count}", "type": "function", "function": function})
        assert result.failure is None, result.failure
        return result.results[0]

    def text(self, tool, **arguments):
        """Make one call that must succeed; returns its text."""
        done = self(tool, **arguments)
        assert done.outcome.status in ("ok", "truncated"), done
        return done.message["content"]

    def error(self, tool, **arguments):
        """Make one call that must fail; returns the error's message and class."""
        done = self(tool, **arguments)
        value = json.loads(done.message["content"])
        assert value["status"] == "error"
        assert value["tool"] == tool
        return value["error"], done.outcome.error


@pytest.fixture(scope="module")
def shared_workspace(local_backend):
    """One workspace for the tests of a file; each of them uses names of its own."""
    workspace = local_backend.create(owner="tests")
    workspace.checkpoint()
    yield workspace
    workspace.close()


@pytest.fixture
def call(shared_workspace):
    return Calls(shared_workspace)


@pytest.fixture
def fresh_call(local_backend):
    """Calls in a workspace of the test's own, for what leaves nothing behind."""
    workspace = local_backend.create(owner="tests")
    workspace.checkpoint()
    yield Calls(workspace)
    workspace.close()


@pytest.fixture
def make_calls():
    """Makes calls in a workspace of the test's own."""
    return Calls
