"""Two agents on the same intents, twice each: who does better, and how sure is that?

python examples/evaluate_two_agents.py

The same from a shell: `ise eval --agents oracle,faulty --intents F --trials 2 --out D`.
"""

import tempfile
from pathlib import Path

from ise_env import sample
from ise_env.rollout.evaluate import compare
from ise_env.rollout.progress import NoDisplay
from ise_env.rollout.session import Request, collect

with tempfile.TemporaryDirectory() as folder:
    suite = Path(folder) / "suite.jsonl"
    suite.write_text("".join(f"{intent.model_dump_json()}\n" for intent in sample(4, seed=1)))
    runs = {agent: Path(folder) / agent for agent in ("oracle", "faulty")}
    for agent, run in runs.items():
        collect(Request(out=run, config={"agent": agent}, intents=suite, trials=2), NoDisplay())

    comparison = compare(runs, trials=2)
    for report in comparison.reports:
        overall = report.overall
        success, both = overall.success, overall.pass_hat[2]
        print(
            f"{report.agent:7} success {success.value:.2f} [{success.low:.2f}, {success.high:.2f}],"
            f" pass^2 {both.value:.2f}, {overall.tool_calls:.1f} calls an episode"
        )
    print(f"faulty minus oracle: {comparison.differences['faulty'].value:+.2f}")
