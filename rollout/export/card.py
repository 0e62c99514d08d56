"""The dataset card of an export: front matter for the Hub, and the statistics."""

from __future__ import annotations

from collections.abc import Sequence

from ise_env import __version__
from ise_env.rollout.stats import Statistics

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))

_CARD = """\
---
pretty_name: OS-agent trajectories
task_categories:
- text-generation
tags:
- agent
- tool-use
- trajectories
- ise-env
size_categories:
- {size}
configs:
- config_name: default
  data_files:
{files}
---

# OS-agent trajectories

Multi-turn dialogues between a simulated user and an agent whose tool calls ran live in isolated
workspaces, collected with ise-env {version}. Success was decided by code that looked at the final
state of each workspace.

| | |
| --- | --- |
{table}

**Who wrote it.** {who}

**Columns.** `messages` and `tools` are JSON in the OpenAI wire shape; train on the assistant's
messages only, never on the simulated user's or on tool results. `success` and `reward` are null
where nothing was judged.

**Splits.** `train`; `held_out_composition`: kits seen in training, in company unseen there;
`held_out_kit`: with a kit that no training intent uses. Held-out rows carry a canary string.
"""


def card(statistics: Statistics, splits: Sequence[str]) -> str:
    """Render the card.

    Args:
        statistics: Of the exported episodes.
        splits: Names of the Parquet files in `data/`.
    """
    size = next((label for limit, label in _SIZES if statistics.valid < limit), "n>100K")
    files = [f"  - split: {name}\n    path: data/{name}.parquet" for name in splits]
    rows = [f"| {label} | {value} |" for label, value in _figures(statistics)]
    return _CARD.format(
        size=size,
        files="\n".join(files),
        version=__version__,
        table="\n".join(rows),
        who=_who(statistics),
    )


def _figures(s: Statistics) -> list[tuple[str, str]]:
    failed_share = s.failed / s.outcomes.total() if s.outcomes else None
    tools = ", ".join(f"{name} {count:,}" for name, count in s.calls.most_common())
    return [
        ("episodes", f"{s.valid:,}"),
        ("judged by code", f"{s.judged:,}"),
        ("successful, of judged", _percent(s.success_of_judged)),
        ("user turns an episode", _number(s.user_turns.mean)),
        ("messages an episode", _number(s.turns.mean)),
        ("tool calls an episode", _number(s.tool_calls.mean)),
        ("failed tool calls", _percent(failed_share)),
        ("failed calls made good", _percent(s.recovered / s.failed if s.failed else None)),
        ("calls by tool", tools or "none"),
        ("secrets redacted", f"{s.redactions:,}"),
    ]


def _who(s: Statistics) -> str:
    agents = ", ".join(f"{name} ({count:,})" for name, count in s.agents.most_common())
    users = ", ".join(f"{name} ({count:,})" for name, count in s.users.most_common())
    share = (
        "Every episode is a model's."
        if not s.scripted
        else f"{s.scripted:,} of {s.valid:,} episodes are those of a scripted agent."
    )
    return f"Agents: {agents}. Users: {users or 'none'}. {share}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
