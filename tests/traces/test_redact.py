from __future__ import annotations

import json

import pytest

from ise_env.intents.model import Intent
from ise_env.traces.redact import Redactor

HOST = Redactor.of_this_host(
    {
        "HOME": "/home/maria",
        "SOME_API_KEY": "s3cr3t-value-of-maria",
        "EDITOR": "vim-with-a-long-name",
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key: s3cr3t-value-of-maria.", "key: [redacted: secret of the host]."),
        ("cat /home/maria/.ssh/id", "cat [redacted: home]/.ssh/id"),
        ("EDITOR=vim-with-a-long-name", None),
        ("ls /root /home/agent /workspace", None),
        ("export K=sk-" + "a1B2" * 12, "export K=[redacted: openai key]"),
        ("AKIA" + "ABCD" * 4 + " ok", "[redacted: aws key] ok"),
        ("token ghp_" + "x" * 36, "token [redacted: github token]"),
        ("task-oriented sk-learn and risk-aversion", None),
    ],
)
def test_text(make_trajectory, text, expected):
    before = make_trajectory(messages=[{"role": "tool", "content": text}])
    after = HOST.redact(before)
    assert after.messages[0]["content"] == (expected or text)
    assert after.redactions == (expected is not None)


def test_json_in_arguments_stays_json(make_trajectory):
    key = "-----BEGIN PRIVATE KEY-----\n" + "QUJD" * 20 + "\n-----END PRIVATE KEY-----\n"
    arguments = json.dumps({"path": "k.pem", "content": key})
    call = {"id": "c", "type": "function", "function": {"name": "write", "arguments": arguments}}
    message = {"role": "assistant", "content": "", "tool_calls": [call]}
    after = HOST.redact(make_trajectory(messages=[message]))
    redacted = after.messages[0]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(redacted) == {"path": "k.pem", "content": "[redacted: private key]\n"}


def test_what_the_task_is_about_is_left_alone(make_trajectory):
    planted = "AKIA" + "WXYZ" * 4
    intent = Intent(id="i", utterance=f"revoke {planted}", source="text")
    before = make_trajectory(intent=intent, messages=[{"role": "user", "content": planted}])
    assert HOST.redact(before) is before
