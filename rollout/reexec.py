"""Playing stored actions again in fresh workspaces, and comparing what comes back.

A trajectory that gives the same tool results, the same verdicts and the same files a second
time is execution-grounded: nothing in it was made up.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from ise_env.action import text_of
from ise_env.env import IntentEnv
from ise_env.errors import ConfigError, IseError
from ise_env.rewards.spec import CheckVerdict
from ise_env.rollout.config import RolloutConfig
from ise_env.rollout.session import configuration_of
from ise_env.tools.subagent import Act, Brief, SubagentPolicy
from ise_env.traces.layout import Layout
from ise_env.traces.normaliser import VOLATILE_PATHS, Translation, rules_needed, same
from ise_env.traces.reader import read_run
from ise_env.traces.record import Trajectory
from ise_env.traces.redact import Redactor

T = TypeVar("T")

_SHOWN = 300


@dataclass(frozen=True)
class Difference:
    """One thing that came out otherwise."""

    where: str
    stored: str
    again: str

    @property
    def is_verdict(self) -> bool:
        """Whether it is one of judging, not of what happened."""
        return self.where == "reward" or self.where.startswith("check ")


@dataclass
class Reexecution:
    """What became of one trajectory when it was played again."""

    episode_id: str
    results: int = 0
    """Tool results compared."""
    identical: int = 0
    """Of these, equal to the letter."""
    allowed: Counter[str] = field(default_factory=Counter)
    """Rules of the normaliser that the others needed."""
    differences: list[Difference] = field(default_factory=list)
    skipped: str = ""
    """Why it could not be played again; empty if it was."""
    reward: float | None = None
    success: bool | None = None
    checks: list[CheckVerdict] = field(default_factory=list)
    """The verdict of this time."""

    @property
    def reproduced(self) -> bool:
        """Whether everything but the verdict came out as stored."""
        return not self.skipped and all(d.is_verdict for d in self.differences)

    @property
    def same(self) -> bool:
        """Whether everything came out as stored, but for allowed differences."""
        return not self.skipped and not self.differences

    def differs(self, where: str, stored: object, again: object) -> None:
        """Note a difference."""
        self.differences.append(Difference(where, _cut(stored), _cut(again)))


def _cut(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} ... {text[-_SHOWN // 2 :]}"


def reexecute_run(
    run: Path, *, n: int | None = None, concurrency: int = 2
) -> Iterator[Reexecution]:
    """Play the trajectories of a run again, in the order in which they end.

    Args:
        run: Run directory, or a file of records (played with the default configuration).
        n: Only so many, from the first on.
        concurrency: Episodes at the same time.

    Raises:
        ConfigError: The run cannot be read.
    """
    config = config_of(run)

    def play(record: Trajectory) -> Reexecution:
        user = record.provenance.user
        if user is None or user.scripted:
            return reexecute(record, config)
        # What a model said as the user cannot be had again: the stored turns are said again.
        return reexecute_with_stored_user(record, config)

    yield from in_threads(play, islice(read_run(run), n), concurrency)


def config_of(run: Path) -> RolloutConfig:
    """What a run's episodes were played with; the default for a file of records.

    Raises:
        ConfigError: The run cannot be read.
    """
    layout = Layout(run)
    fields: Any = {"agent": "replay:"}
    if layout.is_run:
        fields = layout.read_manifest().configuration.get("rollout", fields)
    return configuration_of(fields)


def in_threads(
    play: Callable[[Trajectory], T], records: Iterator[Trajectory], concurrency: int
) -> Iterator[T]:
    """Like `map`, but takes no more records in than are being played."""
    with ThreadPoolExecutor(concurrency) as pool:
        playing: set[Future[T]] = set()
        try:
            for record in records:
                playing.add(pool.submit(play, record))
                if len(playing) >= concurrency:
                    done, playing = wait(playing, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            for future in playing:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def reexecute(record: Trajectory, config: RolloutConfig) -> Reexecution:
    """Play one trajectory again and compare."""
    report = Reexecution(record.episode_id)
    if record.workspace is None:
        report.skipped = "recorded elsewhere: nothing says what it ran on"
        return report
    env = IntentEnv(record.intent, **config.env_arguments())
    try:
        again, translation = _play(env, record)
    except ConfigError as error:
        report.skipped = str(error)
        return report
    except IseError as error:
        report.skipped = f"{type(error).__name__}: {error}"
        return report
    finally:
        env.close()
    _compare(record, Redactor.of_this_host().redact(again), translation, report)
    return report


def reexecute_with_stored_user(record: Trajectory, config: RolloutConfig) -> Reexecution:
    """Play one trajectory again, its user's turns as they are stored, and compare."""
    if record.provenance.user is None:
        return reexecute(record, config)
    with tempfile.TemporaryDirectory(prefix="ise-replay-") as folder:
        alone = Path(folder) / "record.jsonl"  # the run may hold other trials of this intent
        alone.write_text(record.model_dump_json() + "\n", "utf-8")
        return reexecute(record, config.model_copy(update={"user": f"replay:{alone}"}))


def _play(env: IntentEnv, record: Trajectory) -> tuple[Trajectory, Translation]:
    over, translation = False, Translation()
    env.subagent_policy = _stored_subagents(record, translation)
    env.reset(seed=record.seed)
    for number, message in enumerate(record.messages):
        if message["role"] == "assistant" and not over:
            _, _, terminated, truncated, _ = env.step(_translated(message, translation))
            over = terminated or truncated
            for before, after in zip(
                record.messages[number + 1 :], env.episode.messages[number + 1 :], strict=False
            ):
                translation.learn(text_of(before), text_of(after))
    if not over:
        env.truncate(record.termination.reason)
    again = env.trajectory(
        agent=record.provenance.agent,
        episode_id=record.episode_id,
        run_id=record.run_id,
        trial=record.trial,
    )
    return again, translation


def _stored_subagents(record: Trajectory, translation: Translation) -> SubagentPolicy:
    """Let sub-agents say again what they said; keys come from the seed, so they are the same."""

    def begin(brief: Brief) -> Act:
        stored = [child for child in record.subagents if child.session_key == brief.session_key]
        said = iter(
            _translated(message, translation)
            for child in stored
            for message in child.messages
            if message["role"] == "assistant" and not message["x"].get("earlier")
        )
        return lambda observation: next(said, "(The stored transcript ends here.)")

    return begin


def _translated(message: dict[str, Any], translation: Translation) -> dict[str, Any]:
    """A stored action, with the identifiers that came out otherwise this time."""
    action = {key: value for key, value in message.items() if key != "x"}
    if usage := message.get("x", {}).get("usage"):
        action["x"] = {"usage": usage}  # session_status tells of it
    if "tool_calls" in action:
        action["tool_calls"] = [
            call if not _has_arguments(call) else _translated_call(call, translation)
            for call in action["tool_calls"]
        ]
    return action


def _has_arguments(call: Any) -> bool:
    function = call.get("function") if isinstance(call, dict) else None
    return isinstance(function, dict) and isinstance(function.get("arguments"), str)


def _translated_call(call: dict[str, Any], translation: Translation) -> dict[str, Any]:
    function = call["function"]
    arguments = translation.apply(function["arguments"])
    return {**call, "function": {**function, "arguments": arguments}}


# -- comparing -------------------------------------------------------------------------------


def _compare(
    stored: Trajectory, again: Trajectory, translation: Translation, report: Reexecution
) -> None:
    pairs = zip(stored.messages, again.messages, strict=False)
    for number, (before, after) in enumerate(pairs):
        where = f"message {number} ({before['role']})"
        _compare_message(where, before, after, translation, report)
    _compare_subagents(stored, again, translation, report)
    if len(stored.messages) != len(again.messages):
        report.differs("number of messages", len(stored.messages), len(again.messages))
    if stored.termination.reason != again.termination.reason:
        report.differs("termination", stored.termination.reason, again.termination.reason)
    report.reward, report.success, report.checks = again.reward, again.success, again.checks
    if stored.reward != again.reward:
        report.differs("reward", stored.reward, again.reward)
    verdicts = {check.id: check.verdict for check in again.checks}
    for check in stored.checks:
        if verdicts.get(check.id) != check.verdict:
            report.differs(f"check {check.id}", check.verdict, verdicts.get(check.id))
    _compare_files(stored, again, report)


def _compare_subagents(
    stored: Trajectory, again: Trajectory, translation: Translation, report: Reexecution
) -> None:
    was, is_now = ([(c.session_key, c.status) for c in t.subagents] for t in (stored, again))
    if was != is_now:
        report.differs("sub-agents", was, is_now)
        return
    for one, other in zip(stored.subagents, again.subagents, strict=True):
        for number, pair in enumerate(zip(one.messages, other.messages, strict=False)):
            where = f"sub-agent {one.session_key}, message {number}"
            _compare_message(where, *pair, translation, report)


def _compare_message(
    where: str,
    before: dict[str, Any],
    after: dict[str, Any],
    translation: Translation,
    report: Reexecution,
) -> None:
    if before["role"] != after["role"]:
        report.differs(where, before["role"], after["role"])
        return
    if before["role"] == "assistant":
        return  # played back, so the same by construction
    was, is_now = text_of(before), text_of(after)
    if before["role"] == "tool":
        report.results += 1
        report.identical += was == is_now
        _compare_outcome(where, before, after, report)
    if was == is_now:
        return
    if same(was, is_now) or same(translation.apply(was), is_now):
        report.allowed.update(rules_needed(was, is_now) or ["identifier seen before"])
    else:
        report.differs(where, was, is_now)


def _compare_outcome(
    where: str, before: dict[str, Any], after: dict[str, Any], report: Reexecution
) -> None:
    for key in ("status", "exit_code", "signal", "error"):
        was, is_now = (m["x"].get("outcome", {}).get(key) for m in (before, after))
        if was != is_now:
            report.differs(f"{where} outcome {key}", was, is_now)


def _compare_files(stored: Trajectory, again: Trajectory, report: Reexecution) -> None:
    before = {c.path: c for c in (stored.workspace.diff if stored.workspace else ())}
    after = {c.path: c for c in (again.workspace.diff if again.workspace else ())}
    for path in sorted(before.keys() | after.keys()):
        if VOLATILE_PATHS.search(path):
            continue
        was, is_now = before.get(path), after.get(path)
        if was is None or is_now is None or (was.change, was.kind) != (is_now.change, is_now.kind):
            report.differs(
                f"file {path}",
                was.change if was else "not changed",
                is_now.change if is_now else "not changed",
            )
        elif was.kind == "file" and was.sha256 != is_now.sha256:
            report.differs(
                f"file {path}", f"{was.size} bytes {was.sha256}", f"{is_now.size} {is_now.sha256}"
            )
