"""A folder for the Hugging Face Hub: Parquet by split, and a dataset card with the statistics.

`messages` and `tools` are JSON columns (`datasets.Json`): arguments of mixed types, which plain
Arrow structures cannot hold, come back as they went in. `datasets.load_dataset(FOLDER)` reads it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ise_env.errors import ConfigError
from ise_env.intents.splits import CANARY, split_of
from ise_env.rollout.export.card import card
from ise_env.rollout.export.files import Report, new_directory
from ise_env.rollout.export.shape import Shape
from ise_env.rollout.export.source import Source
from ise_env.rollout.stats import Statistics
from ise_env.traces.record import Trajectory, is_users_turn

_SPLITS = {
    "train": "train",
    "held-out-composition": "held_out_composition",
    "held-out-kit": "held_out_kit",
}
"""Ours, and the name of the file's split: the Hub allows no hyphens."""


def write(source: Source, out: Path, shape: Shape) -> Report:
    """Write the folder.

    Raises:
        ConfigError: `datasets` is not installed, nothing is left, or `out` cannot be written.
    """
    try:
        import datasets
    except ImportError as error:
        raise ConfigError(
            "format hf needs the package datasets: pip install 'ise-env[hf]'"
        ) from error
    features = datasets.Features(
        {
            **{name: datasets.Value("string") for name in _TEXTS},
            "messages": datasets.List(datasets.Json()),
            "tools": datasets.List(datasets.Json()),
            "domains": datasets.List(datasets.Value("string")),
            "trial": datasets.Value("int64"),
            "user_turns": datasets.Value("int64"),
            "reward": datasets.Value("float64"),
            "success": datasets.Value("bool"),
            "scripted": datasets.Value("bool"),
        }
    )
    shape = replace(shape, holds=_survives)
    report, statistics = Report(), Statistics()
    with new_directory(out) as work:
        spool = _spool(source, shape, work, report, statistics)
        report.conclude(source.selection)
        (work / "data").mkdir()
        with _no_progress_bars(datasets):
            for split, path in spool.items():
                data = datasets.Dataset.from_generator(
                    _rows,
                    features=features,
                    cache_dir=str(work / "cache"),
                    gen_kwargs={"path": str(path)},
                    split=split,
                )
                data.to_parquet(str(work / "data" / f"{split}.parquet"))
                path.unlink()
        shutil.rmtree(work / "cache")
        (work / "README.md").write_text(card(statistics, tuple(spool)), encoding="utf-8")
    return report


def _spool(
    source: Source, shape: Shape, work: Path, report: Report, statistics: Statistics
) -> dict[str, Path]:
    """Write the rows of each split to a file of lines: one pass, whatever the splits are."""
    paths: dict[str, Path] = {}
    for episode in source.episodes():
        statistics.add(episode)
        split = _SPLITS[split_of(episode.intent)]
        path = paths.setdefault(split, work / f"{split}.jsonl")
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_row(episode, source, shape), ensure_ascii=False) + "\n")
        report.written += 1
    return {split: paths[split] for split in _SPLITS.values() if split in paths}


def _survives(arguments: dict[str, Any]) -> bool:
    """Whether a JSON column gives the same back: it rounds floats and refuses huge integers."""
    from datasets.utils.json import ujson_dumps, ujson_loads

    try:
        return bool(ujson_loads(ujson_dumps(arguments)) == arguments)
    except (ValueError, OverflowError):
        return False


@contextmanager
def _no_progress_bars(datasets: Any) -> Iterator[None]:
    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _rows(path: str) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


_TEXTS = (
    "id",
    "intent_id",
    "complexity",
    "persona",
    "agent",
    "model",
    "user",
    "termination",
    "canary",
)


def _row(t: Trajectory, source: Source, shape: Shape) -> dict[str, Any]:
    agent, user, persona = t.provenance.agent, t.provenance.user, t.intent.persona
    return {
        "id": t.episode_id,
        "intent_id": t.intent.id,
        "messages": shape.chat(t.messages),
        "tools": source.tools(t),
        "domains": list(t.intent.domains),
        "complexity": t.intent.complexity,
        "persona": persona.role if persona else None,
        "trial": t.trial,
        "user_turns": sum(is_users_turn(m) for m in t.messages),
        "reward": t.reward,
        "success": t.success,
        "termination": t.termination.reason,
        "agent": agent.name,
        "model": agent.model,
        "user": user.name if user else None,
        "scripted": agent.scripted,
        "canary": None if split_of(t.intent) == "train" else CANARY,
    }
