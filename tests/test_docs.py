"""The documentation: every block that says so runs, made pages are current, the site builds."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.S | re.M)


def blocks(page):
    return [(m[1], m[2]) for m in BLOCK.finditer(page.read_text(encoding="utf-8"))]


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda page: page.stem)
def test_every_block_of_a_page_runs_in_order(page, tmp_path, local_backend):
    """`python` blocks as they are; of `console` blocks the lines after `$ `, in one folder."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ise"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ise_env.rollout.cli "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    for language, text in blocks(page):
        commands = [[sys.executable, "-c", text]]
        if language == "console":
            lines = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
            assert lines, text
            commands = [["bash", "-euc", line] for line in lines]
        for command in commands:
            done = subprocess.run(
                command,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"


def test_made_pages_are_current():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "build_docs.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed: the extra docs has it")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},  # advertising, not a warning about us
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert {"index.html", "tasks", "commands", "record"} <= {p.name for p in tmp_path.iterdir()}
