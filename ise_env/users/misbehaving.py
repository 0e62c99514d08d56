"""A model that plays users badly on purpose, behind a real socket, with labels.

For measuring the role lock: an OpenAI-compatible server that answers the user prompt with a
decent turn, or, at a seeded rate, with a misbehaviour of a known kind. Every answer is logged
with its label, so that what reaches the agent can be counted.
"""

from __future__ import annotations

import functools
import json
import re
import threading
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from types import TracebackType
from typing import Any, cast

import numpy as np

from ise_env.errors import ConfigError
from ise_env.users.phrasing import voices

KINDS = ("drift", "leak", "dump", "early", "invent", "malformed", "parrot")


@dataclass(frozen=True)
class Answer:
    """One answer of the server."""

    label: str
    """`good`, or the kind of misbehaviour."""
    source: str
    """The collection that the text comes from."""
    message: str
    """What would be said if it were accepted."""


@dataclass(frozen=True)
class Known:
    """What a model could leak about an episode: more than the prompt tells it."""

    utterance: str
    requests: tuple[str, ...]


class MisbehavingModel:
    """Serves from construction until `close`.

    Args:
        kinds: Kinds of misbehaviour to choose from.
        rate: Share of the answers that misbehave.
        seed: Decides which, and how.
        collections: Files of `data/` with attack texts, without `.toml`.

    Attributes:
        known: By persona name, what the model knows of the episode going on; set by the caller.
        log: Every answer, in order.
    """

    def __init__(
        self,
        kinds: Sequence[str] = KINDS,
        *,
        rate: float = 0.3,
        seed: int = 0,
        collections: Sequence[str] = ("attacks",),
    ) -> None:
        unknown = set(kinds) - set(KINDS)
        if unknown:
            raise ConfigError(f"no such misbehaviour: {sorted(unknown)[0]!r}")
        self.known: Known | None = None
        self.log: list[Answer] = []
        self._kinds = tuple(kinds)
        self._rate = rate
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._texts = {name: _attacks(name) for name in collections}
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def base_url(self) -> str:
        """What a client is given."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def close(self) -> None:
        """Stop serving; idempotent."""
        self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> MisbehavingModel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def answer(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """The content of the next answer to a user prompt; '' for anything else."""
        if len(messages) < 2 or _PLAN not in str(messages[1]["content"]):
            return ""
        asked = _Asked.read(str(messages[1]["content"]), self.known)
        style = str(messages[0]["content"])
        with self._lock:
            kind = self._pick(self._kinds)
            if self._rng.random() >= self._rate or not asked.lends_itself_to(kind):
                return self._log("good", "patterns", self._decent(asked, style), asked)
            known = [name for name, texts in self._texts.items() if kind in texts]
            source = self._pick(known or ["agent"])
            if source == "agent":
                return self._log(kind, source, asked.heard, asked)
            text = asked.fill(self._pick(self._texts[source][kind]), int(self._rng.integers(2, 9)))
            if kind == "malformed":
                self.log.append(Answer(kind, source, text))
                return text
            return self._log(kind, source, text, asked)

    def _log(self, label: str, source: str, message: str, asked: _Asked) -> str:
        self.log.append(Answer(label, source, message.strip()))
        act = "close" if label == "early" and self._rng.random() < 0.5 else asked.act
        return json.dumps({"act": act, "subgoal": asked.subgoal, "message": message})

    def _decent(self, asked: _Asked, style: str) -> str:
        """A turn that a decent model might write, from the corpus of legitimate patterns."""
        lines = _patterns()[asked.situation]["lines"]
        usable = [line for line in lines if "{path}" not in line or asked.path]
        if any(word in style.lower() for word in voices()["formal"].styles):
            usable = [line for line in usable if not _CHATTY.search(line)]
        fresh = [line for line in usable if asked.fill(line, 0) not in asked.before] or usable
        return asked.fill(self._pick(fresh), 0)

    def _pick(self, choices: Sequence[str]) -> str:
        return choices[int(self._rng.integers(len(choices)))]


@dataclass(frozen=True)
class _Asked:
    """What a user prompt asks for, read back from its text."""

    act: str
    subgoal: str
    situation: str
    request: str
    label: str
    path: str
    answer: str
    heard: str
    before: str
    later: str
    utterance: str

    @classmethod
    def read(cls, prompt: str, known: Known | None) -> _Asked:
        head, _, plan = prompt.rpartition(_PLAN)
        act, subgoal = _line(r"^act: (.*)$", plan), _line(r"^subgoal: (.*)$", plan)
        instruction = plan.split("\n", 2)[2] if plan.count("\n") >= 2 else plan
        situation = next(s for marker, s in _SITUATIONS if marker in instruction)
        request = _line(r"(?:step|ask for it again|now want this): (.*)$", instruction)
        heard = re.findall(r"^Assistant: (.*(?:\n(?!You: |Assistant: |\n).*)*)", head, re.M)
        later = ""
        if known is not None:
            said = head + request
            later = next((r for r in reversed(known.requests) if r[:100] not in said), "")
        return cls(
            act=act,
            subgoal=subgoal,
            situation=situation,
            request=request,
            label=_line(
                r"(?:about|result of|problem with|work on|came of|agreement for|part of"
                r"|check|ask how|says that|enough:) (the [^.:;,\n]*?)(?: with what| that you"
                r"| once more| that| did not| is done| stands| is still|[.:;,]|$)",
                instruction,
            )
            or "that",
            path=_line(r"(?:looked at|look into) ([^\s]+?)\.?$", instruction)
            or _line(r"contradicts it: (\S+):", instruction),
            answer=_line(r"What you know: (.*)$", instruction).rstrip("."),
            heard=heard[-1].strip() if heard else "",
            before=head,
            later=later,
            utterance=known.utterance if known else request,
        )

    def lends_itself_to(self, kind: str) -> bool:
        """Whether the misbehaviour is one at this moment: saying goodbye at the end is none."""
        if kind == "early":
            return self.act not in ("close", "give_up")
        if kind == "parrot":
            return len(self.heard.split()) > 3
        return bool(self.later) if kind == "dump" else True

    def fill(self, text: str, n: int) -> str:
        """A pattern with this dialogue's words."""
        return text.format(
            label=self.label, path=self.path or "the file", request=self.request, ask=self.request,
            answer=self.answer, later=self.later, utterance=self.utterance, act=self.act, n=n,
            heard=self.heard,
        )  # fmt: skip


_CHATTY = re.compile(r"[\U0001F300-\U0001FAFF]|\b(?:thx|pls|ty|nope|nah|ok)\b", re.I)
_PLAN = "Your next message\n"
"""Begins the last part of a user prompt; a prompt without it asks for something else."""
_SITUATIONS = (
    ("Start the conversation", "open"),
    ("leave what came before", "waived"),
    ("Ask for the next step", "next"),
    ("What you know:", "answer"),
    ("You know nothing beyond", "unsure"),
    ("leave the choice", "unsure"),
    ("wants your permission", "confirm"),
    ("contradicts it", "missing"),
    ("ask for it again", "again"),
    ("changed your mind", "again"),
    ("find another way", "trouble"),
    ("message was empty", "trouble"),
    ("announces", "waiting"),
    ("Ask for the rest", "trouble"),
    ("It is not clear", "trouble"),
    ("did not say it", "trouble"),
    ("you still want it", "trouble"),
    ("somebody would ask who has just looked", "lookedat"),
    ("once more", "verify"),
    ("You have what you wanted", "close"),
    ("had enough", "leave"),
)
"""Marks in the instructions of `prompts/acts.v1.toml` and the patterns that fit them."""


def _line(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.M)
    return match.group(1).strip() if match else ""


@functools.cache
def _attacks(name: str) -> dict[str, list[str]]:
    text = resources.files("ise_env.users").joinpath(f"data/{name}.toml").read_text("utf-8")
    return tomllib.loads(text)


@functools.cache
def _patterns() -> dict[str, dict[str, Any]]:
    folder = resources.files("ise_env.users.lock.corpus")
    return tomllib.loads(folder.joinpath("patterns.toml").read_text("utf-8"))


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    owner: MisbehavingModel


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one segment

    def do_POST(self) -> None:
        """Answer a chat completion."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        content = cast(_Http, self.server).owner.answer(body["messages"])
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": content},
            "finish_reason": "stop",
        }
        data = json.dumps(
            {
                "id": "misbehaving",
                "object": "chat.completion",
                "created": 0,
                "model": body.get("model", "misbehaving"),
                "choices": [choice],
                "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""
