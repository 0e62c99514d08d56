"""Collecting episodes: threads that play, and a store that keeps.

Episodes are independent; each is played in a thread of its own, so that none waits for the
slowest. Whatever goes wrong in one is recorded and costs that one only. What is finished is on
the disk before anything else is begun; resuming is reading back which ids are there.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

from ise_env.errors import IseError, ModelEndpointError
from ise_env.llm import Prices
from ise_env.rollout.config import RolloutConfig
from ise_env.rollout.costs import cost_of, sum_of, with_cost
from ise_env.rollout.past import Past, add_to_counts
from ise_env.rollout.plan import Job, Plan
from ise_env.rollout.play import AgentFactory, Cancelled, EpisodeFailed, Gates, Player
from ise_env.rollout.progress import Display, Snapshot
from ise_env.rollout.schedule import Schedule
from ise_env.rollout.signals import StopSignals
from ise_env.traces.layout import Counts, StoreError
from ise_env.traces.record import ErrorRecord, Trajectory
from ise_env.traces.store import FailedAttempt, RunStore

_TICK_S = 0.2
_TOLD_OF_A_KIND = 10
_SAVE_COUNTS_EVERY_S = 15.0
_ABORT_DEADLINE_S = 20.0
"""How long stopping at once may take before threads that do not end are left behind."""
_THOUGHT_DEADLINE_S = 1.0
"""The same where all of them wait for a model, and their workspaces are closed."""


@dataclass(frozen=True)
class Pace:
    """How fast, and how patiently."""

    concurrency: int = 4
    workspace_starts: int | None = None
    """Workspaces being started at the same time."""
    model_calls: int | None = None
    """Agents thinking at the same time."""
    max_attempts: int = 3
    """Attempts at an episode that fails for no fault of the agent's."""
    retry_pause_s: float = 5.0
    """Before the second attempt; four times longer before each further one, 2 minutes at most."""
    give_up_after: int = 20
    """Episodes given up in a row, none finished between them, after which the run stops."""
    max_cost_usd: float | None = None

    def pause_before(self, attempt: int) -> float:
        """Seconds before an attempt, from the second on."""
        pause = min(120.0, self.retry_pause_s * 4.0 ** (attempt - 2))
        # Jitter, so that a hundred episodes do not come back at the same instant.
        return pause * random.uniform(0.8, 1.2)


@dataclass(frozen=True)
class Outcome:
    """How a session of collecting ended."""

    snapshot: Snapshot
    counts: Counts
    complete: bool
    reason: str
    """Why it stopped before it was complete; empty when it is."""
    exit_status: int


class Collector:
    """Plays what is left of a plan.

    Args:
        config: How episodes are played.
        plan: Which.
        store: Where they are kept.
        agent: Makes a fresh agent for each.
        pace: How fast.
        past: What is there already.
        prices: What models cost; None leaves costs unknown.
    """

    def __init__(
        self,
        config: RolloutConfig,
        plan: Plan,
        store: RunStore,
        agent: AgentFactory,
        pace: Pace,
        past: Past,
        prices: Prices | None = None,
    ) -> None:
        self._config = config
        self._store = store
        self._agent = agent
        self._pace = pace
        self._gates = Gates.of(pace.workspace_starts, pace.model_calls)
        self._plan = plan
        self._prices = prices
        mine = set(plan.ids())
        self._counts = past.counts.model_copy(update={"planned": len(plan)})
        self._given_up = past.given_up & mine
        self._cost = past.cost_usd
        self._schedule = Schedule(plan.jobs(past.finished | past.given_up, past.attempts))
        self._guard = threading.Lock()
        self._players: set[Player] = set()
        self._session_done = 0
        self._told: Counter[str] = Counter()
        self._given_up_in_a_row = 0
        self._why_stopped: str = ""
        self._fatal: IseError | None = None
        self._messages: deque[str] = deque()
        self._started = time.monotonic()
        self._tables: set[str] = set()

    # -- from outside ------------------------------------------------------------------------

    def run(self, display: Display) -> Outcome:
        """Collect until nothing is left, or until something stops it.

        Raises:
            ConfigError: The configuration cannot work.
            StoreError: The run cannot be written any more.
        """
        self._started = time.monotonic()
        self._stop_where_too_dear()
        self._save_counts()
        threads = [
            threading.Thread(target=self._work, name=f"episode-{n}", daemon=True)
            for n in range(min(self._pace.concurrency, max(1, len(self._plan))))
        ]
        display.start()
        try:
            with StopSignals() as signals:
                for thread in threads:
                    thread.start()
                self._watch(threads, display, signals)
            return self._conclude(signals.status)
        finally:
            self._flush_messages(display)
            display.stop(self.snapshot())

    def stop(self, why: str) -> None:
        """Begin nothing more; what is being played is finished."""
        with self._guard:
            self._why_stopped = self._why_stopped or why
        self._schedule.stop()

    def snapshot(self) -> Snapshot:
        """The present state."""
        with self._guard:
            counts = self._counts
            return Snapshot(
                planned=counts.planned,
                finished=counts.finished,
                succeeded=counts.succeeded,
                judged=counts.judged,
                invalid=len(self._given_up),
                in_flight=len(self._players),
                waiting_for_retry=self._schedule.waiting,
                session_done=self._session_done,
                elapsed_s=time.monotonic() - self._started,
                cost_usd=self._cost,
                stopping=self._schedule.stopped,
            )

    # -- the main thread ---------------------------------------------------------------------

    def _watch(
        self, threads: list[threading.Thread], display: Display, signals: StopSignals
    ) -> None:
        save_at = time.monotonic() + _SAVE_COUNTS_EVERY_S
        deadline = float("inf")
        # The first that still lives is waited for; asking all of them each time would cost.
        while (
            alive := next((t for t in threads if t.is_alive()), None)
        ) and time.monotonic() < deadline:
            alive.join(_TICK_S)
            if signals.caught and not self._schedule.stopped:
                self._messages.append("finishing what is being played; Ctrl-C again stops at once")
                self.stop("interrupted")
            if signals.at_once:
                if deadline == float("inf"):
                    self._messages.append("stopping at once; finished episodes are kept")
                    deadline = time.monotonic() + _ABORT_DEADLINE_S
                self._cancel_players()
                if self._all_think():
                    deadline = min(deadline, time.monotonic() + _THOUGHT_DEADLINE_S)
            if time.monotonic() >= save_at:
                save_at = time.monotonic() + _SAVE_COUNTS_EVERY_S
                self._save_counts()
            self._flush_messages(display)
            display.update(self.snapshot())

    def _cancel_players(self) -> None:
        with self._guard:
            players = list(self._players)
        for player in players:
            player.cancel()

    def _all_think(self) -> bool:
        with self._guard:
            return all(player.thinking for player in self._players)

    def _flush_messages(self, display: Display) -> None:
        while self._messages:
            display.message(self._messages.popleft())

    def _save_counts(self, status: str | None = None) -> None:
        with self._guard:
            counts = self._counts.model_copy(update={"invalid": len(self._given_up)})
        try:
            self._store.save_manifest(counts, status)
        except StoreError as error:
            self._fail(error)

    def _conclude(self, signal_status: int | None) -> Outcome:
        snapshot = self.snapshot()
        complete = snapshot.finished + snapshot.invalid >= snapshot.planned
        self._save_counts("complete" if complete else "interrupted" if signal_status else "stopped")
        if self._fatal is not None:
            raise self._fatal
        self._store.note(
            "ended",
            finished=snapshot.finished,
            invalid=snapshot.invalid,
            why="" if complete else self._why_stopped,
        )
        status = 0
        if not complete:
            status = signal_status or 1
        elif snapshot.invalid:
            status = 3
        return Outcome(
            snapshot=snapshot,
            counts=self._store.manifest.counts,
            complete=complete,
            reason="" if complete else self._why_stopped,
            exit_status=status,
        )

    # -- the threads that play ---------------------------------------------------------------

    def _work(self) -> None:
        try:
            while (job := self._schedule.next()) is not None:
                self._play(job)
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to
            self._fail(error)

    def _play(self, job: Job) -> None:
        player: Player | None = None
        try:
            player = Player(
                job, self._config, self._agent, self._gates, self._store.manifest.run_id
            )
            with self._guard:
                self._players.add(player)
            record = player.play()
        except Cancelled:
            self._schedule.done()
        except EpisodeFailed as failed:
            self._attempt_failed(job, failed)
        except BaseException:
            self._schedule.done()
            raise
        else:
            self._keep(player, record)
            self._schedule.done()
        finally:
            if player is not None:
                with self._guard:
                    self._players.discard(player)

    def _keep(self, player: Player, record: Trajectory) -> None:
        if record.provenance.tools_sha256 not in self._tables:
            self._store_tables(player, record)
        record = self._store.append(with_cost(record, self._prices))
        with self._guard:
            self._counts = add_to_counts(self._counts, record)
            self._session_done += 1
            self._given_up_in_a_row = 0
        self._pay(record)

    def _pay(self, record: Trajectory) -> None:
        """Add what an episode cost, valid or not."""
        with self._guard:
            self._cost = sum_of(self._cost, cost_of(record))
        self._stop_where_too_dear()
        answered = any(message["role"] == "assistant" for message in record.messages)
        asked_model = answered and record.provenance.agent.model is not None
        if self._pace.max_cost_usd is not None and asked_model and cost_of(record) is None:
            self.stop("the server reports no usage, so --max-cost cannot be held; leave it out")

    def _stop_where_too_dear(self) -> None:
        limit = self._pace.max_cost_usd
        if limit is not None and (self._cost or 0.0) >= limit:
            self.stop(f"the limit of ${limit:.2f} is reached")

    def _store_tables(self, player: Player, record: Trajectory) -> None:
        """Keep what records refer to; which tools are offered differs with the tasks."""
        self._store.put_tools(record.provenance.tools_sha256, player.env.episode.tools)
        self._store.put_prompt(player.env.system_prompt)
        self._tables.add(record.provenance.tools_sha256)

    def _attempt_failed(self, job: Job, failed: EpisodeFailed) -> None:
        error = error_record(failed.error)
        record = None if failed.record is None else with_cost(failed.record, self._prices)
        attempt = FailedAttempt(
            episode_id=job.episode_id,
            intent_sha256=job.intent_sha256,
            attempt=job.attempt,
            error=error,
            record=record,
        )
        self._store.fail(attempt)
        with self._guard:
            self._counts.failed_attempts += 1
        if record is not None:
            self._pay(record)
        if error.retryable and job.attempt < self._pace.max_attempts:
            pause = self._pace.pause_before(job.attempt + 1)
            self._tell(job, error, f"again in {pause:.0f} s")
            self._schedule.retry(job, pause)
            return
        self._give_up(job, error, failed.error)
        self._schedule.done()

    def _give_up(self, job: Job, error: ErrorRecord, cause: Exception) -> None:
        with self._guard:
            self._given_up.add(job.episode_id)
            self._session_done += 1
            self._given_up_in_a_row += 1
            in_a_row = self._given_up_in_a_row
            # Where nothing has worked yet, it is more likely wrong than down.
            worked = self._session_done > in_a_row
            patience = self._pace.give_up_after if worked else min(5, self._pace.give_up_after)
        line = f"{error.kind}: {error.message}"
        self._tell(job, error, "given up")
        refused = isinstance(cause, ModelEndpointError) and cause.status in (401, 403)
        if refused:
            self.stop(f"{line}; every other episode would fail the same way")
        elif in_a_row >= patience:
            self.stop(f"{in_a_row} episodes in a row were invalid, the last with {line}")

    def _tell(self, job: Job, error: ErrorRecord, what_now: str) -> None:
        """Say that an attempt failed; of a kind that fails all the time, only the first few."""
        with self._guard:
            self._told[error.kind] += 1
            count = self._told[error.kind]
        if count <= _TOLD_OF_A_KIND:
            self._messages.append(f"{job.intent.id}: {error.kind}: {error.message}; {what_now}")
        if count == _TOLD_OF_A_KIND:
            self._messages.append(f"further errors of kind {error.kind} are only counted")

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, IseError):
            error = IseError(f"the collector failed: {type(error).__name__}: {error}")
        with self._guard:
            self._fatal = self._fatal or error
        self.stop(str(error))


def error_record(error: Exception) -> ErrorRecord:
    """Describe an infrastructure failure."""
    known = error if isinstance(error, IseError) else None
    return ErrorRecord(
        kind=type(error).__name__,
        blame=known.blame if known else "harness",
        message=str(error),
        retryable=known.retryable if known else False,
    )
