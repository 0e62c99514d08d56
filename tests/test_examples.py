"""Every example, and every Python block of the README, runs."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEEDS = {"finetune": ("datasets", "trl")}
"""Packages beyond the core; such an example takes a while."""
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)

pytestmark = pytest.mark.usefixtures("local_backend")


def run(arguments, tmp_path, **environment):
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=pytest.mark.slow if path.stem in NEEDS else (), id=path.stem)
        for path in EXAMPLES
    ],
)
def test_the_example_runs(path, tmp_path):
    for package in NEEDS.get(path.stem, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: the extra test-train has it")
    assert run([path], tmp_path).strip()


@pytest.mark.slow
def test_a_kit_of_one_s_own_is_found_admitted_and_sampled(tmp_path):
    """Installed like any package: its entry point is all that is needed."""
    site = tmp_path / "site"
    source = shutil.copytree(ROOT / "examples" / "own_kit", tmp_path / "own_kit")
    pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(source)]
    run(pip, tmp_path)
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    ise = ["-m", "ise_env.rollout.cli"]
    kit = "housekeeping/empty-bin"
    admitted = run([*ise, "validate", "--kits", kit, "--seeds", "2"], tmp_path, PYTHONPATH=path)
    assert "1 of 1 kits admitted" in admitted
    sampling = [*ise, "intents", "sample", "--kits", kit, "-n", "3", "--out", "i.jsonl"]
    run(sampling, tmp_path, PYTHONPATH=path)
    assert (tmp_path / "i.jsonl").read_text().count(kit) >= 3


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_readme_s_python_runs(number, tmp_path):
    run(["-c", BLOCKS[number]], tmp_path)


def test_the_readme_leads_with_code():
    assert BLOCKS
