"""What is shipped, under which names, and what importing it costs."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def packages_in_the_tree() -> set[str]:
    found = set()
    for top in ("ise_env", "agents", "rollout"):
        for init in (ROOT / top).rglob("__init__.py"):
            name = ".".join(init.parent.relative_to(ROOT).parts)
            found.add(name if top == "ise_env" else f"ise_env.{name}")
    return found


def test_the_package_list_is_the_tree():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = config["tool"]["setuptools"]["packages"]
    assert listed == sorted(set(listed))
    assert set(listed) == packages_in_the_tree()


def test_every_data_file_is_package_data():
    """By suffix: `package-data` globs are recursive."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    globs = config["tool"]["setuptools"]["package-data"]["*"]
    suffixes = {glob.removeprefix("**/*") for glob in globs}
    for top in ("ise_env", "agents", "rollout"):
        for path in (ROOT / top).rglob("*.*"):
            if path.is_file() and path.suffix not in {".py", ".pyc"}:
                assert path.suffix in suffixes or path.name in suffixes, path


def test_importing_the_package_loads_nothing_heavy():
    heavy = "docker openai pydantic torch sentence_transformers rich typer tenacity".split()
    script = f"import sys, ise_env; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_public_names_resolve():
    import ise_env

    for name in ise_env.__all__:
        assert getattr(ise_env, name) is not None
    with pytest.raises(AttributeError):
        _ = ise_env.nothing_of_the_kind


def test_agents_and_rollout_are_the_same_modules_as_their_links():
    import ise_env.agents.protocol
    import ise_env.rollout

    for module in (ise_env.agents.protocol, ise_env.rollout):
        assert Path(module.__file__).resolve().is_relative_to(ROOT)
    assert "agents" not in sys.modules
    assert "rollout" not in sys.modules


@pytest.mark.slow
def test_a_wheel_built_from_the_sdist_runs_the_main_job_alone(tmp_path):
    """sdist -> wheel -> empty environment -> sample, roll out, stats."""
    pytest.importorskip("build", reason="the package `build` is not installed")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", tmp_path, ROOT], check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"ise_env"}
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [venv / "bin/python", "-m", "pip", "install", "-q", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    ise, intents, run = venv / "bin/ise", tmp_path / "intents.jsonl", tmp_path / "run"
    for command in (
        [ise, "intents", "sample", "-n", "3", "--seed", "1", "--out", intents],
        [ise, "rollout", "--intents", intents, "--agent", "oracle", "-n", "3", "--out", run],
        [ise, "stats", run],
    ):
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
