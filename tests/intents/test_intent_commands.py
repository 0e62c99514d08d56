"""`ise intents ...` as a user runs it: files in, files out, one line when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ise_env.errors import ConfigError
from ise_env.intents.load import load_intents
from ise_env.intents.model import Intent
from ise_env.rollout.cli import app


def ise(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["intents", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Twenty intents, one of them twice and one of them edited."""
    path = tmp_path / "pool.jsonl"
    ise("sample", "-n", 20, "--seed", 1, "--out", path)
    intents = list(load_intents(path))
    first, second = intents[:2]
    twin = first.model_copy(update={"id": "twin", "utterance": first.utterance.upper()})
    edited = second.utterance.replace("Please", "Kindly") + " Thanks again."
    near = second.model_copy(update={"id": "edited", "utterance": edited})
    path.write_text("".join(i.model_dump_json() + "\n" for i in [*intents, twin, near]))
    return path


def test_shards_of_the_command_make_up_the_whole(tmp_path: Path) -> None:
    ise("sample", "-n", 9, "--seed", 3, "--out", tmp_path / "all.jsonl")
    ise("sample", "-n", 9, "--seed", 3, "--shard", "0/2", "--out", tmp_path / "even.jsonl")
    ise("sample", "-n", 9, "--seed", 3, "--shard", "1/2", "--out", tmp_path / "odd.jsonl")
    lines = {
        name: (tmp_path / f"{name}.jsonl").read_text().splitlines()
        for name in ("all", "even", "odd")
    }
    assert lines["even"] == lines["all"][::2]
    assert lines["odd"] == lines["all"][1::2]
    with pytest.raises(ConfigError, match="--shard: expected k/N"):
        ise("sample", "-n", 9, "--shard", "half", "--out", tmp_path / "x.jsonl")


def test_dedup_says_what_it_removed_and_why(tmp_path: Path, pool: Path) -> None:
    out = tmp_path / "kept.jsonl"
    said = ise(
        "dedup", "--intents", pool, "--out", out, "--embedder", "hashing", "--threshold", 0.9
    )
    assert "22 intents: 1 exact and 1 near duplicates" in said
    assert "at other thresholds would stay: 0.99: " in said
    ids = [intent.id for intent in load_intents(pool)]
    assert [intent.id for intent in load_intents(out)] == ids[:20]
    removed = [json.loads(line) for line in (tmp_path / "kept.jsonl.removed.jsonl").open()]
    assert [(r["id"], r["duplicate_of"], r["stage"]) for r in removed] == [
        ("twin", ids[0], "exact"),
        ("edited", ids[1], "near"),
    ]


def test_existing_output_is_not_replaced_unasked(tmp_path: Path, pool: Path) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        ise("convert", "--intents", pool, "--out", pool)
    with pytest.raises(ConfigError, match="exists already"):
        ise("dedup", "--intents", pool, "--out", pool, "--embedder", "hashing")


def test_convert_to_the_published_layout_and_back(tmp_path: Path, pool: Path) -> None:
    published, ours = tmp_path / "published.jsonl", tmp_path / "ours.jsonl"
    ise("convert", "--intents", pool, "--out", published)
    ise("convert", "--intents", published, "--out", ours, "--to", "ours")
    for old, new in zip(load_intents(pool), load_intents(ours), strict=True):
        assert (new.id, new.utterance, new.complexity) == (old.id, old.utterance, old.complexity)
        assert sorted(new.domains) == sorted(old.domains)
        assert {task.title for task in new.tasks} == {task.title for task in old.tasks}
        assert new.persona is not None
        assert new.persona == old.persona
    again = tmp_path / "again.jsonl"
    ise("convert", "--intents", ours, "--out", again)
    assert again.read_text() == published.read_text()


def test_bad_line_leaves_no_output_behind(tmp_path: Path, pool: Path) -> None:
    pool.write_text(pool.read_text() + "{}\n")
    with pytest.raises(ConfigError, match=r"pool\.jsonl:23: field utterance: missing"):
        ise("convert", "--intents", pool, "--out", tmp_path / "out.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pool.jsonl"]


def test_embeddings_of_another_pool_are_refused(tmp_path: Path, pool: Path) -> None:
    path = tmp_path / "e.npy"
    np.save(path, np.eye(5, dtype=np.float32))
    with pytest.raises(ConfigError, match="expected 22 rows"):
        ise("dedup", "--intents", pool, "--out", tmp_path / "o.jsonl", "--embeddings", path)


def test_what_cannot_be_measured_is_refused_before_anything_is_embedded(
    tmp_path: Path, pool: Path
) -> None:
    def never(embedder: str) -> tuple[object, ...]:
        return ("--intents", pool, "--out", tmp_path / "out", "--embedder", embedder)

    # A model that does not exist would be complained of first, were it asked for.
    with pytest.raises(ConfigError, match="threshold: must be above 0"):
        ise("dedup", *never("openai:no@http://127.0.0.1:1"), "--threshold", 1.5)
    pytest.importorskip("matplotlib", reason="matplotlib (extra report) is not installed")
    with pytest.raises(ConfigError, match="order of a Vendi score"):
        ise("report", *never("openai:no@http://127.0.0.1:1"), "--q", 0)


@pytest.mark.slow
def test_report_is_one_page_with_its_plots(tmp_path: Path, pool: Path) -> None:
    for module in ("matplotlib", "sklearn"):
        pytest.importorskip(module, reason=f"{module} (extra report) is not installed")
    out = tmp_path / "report"
    said = ise("report", "--intents", pool, "--out", out, "--embedder", "hashing", "--q", 1)
    assert "22 intents, hashing-512: Vendi q=1" in said
    page = (out / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "compare with nothing but itself" in page
    measures = json.loads((out / "measures.json").read_text())
    assert measures["intents"] == 22
    assert 1 < measures["vendi"]["1"] <= 22
    assert measures["curve"]["22"] == pytest.approx(measures["vendi"]["1"])


def test_report_of_plain_text_has_no_tiers_to_show(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn (extra report) is not installed")
    path = tmp_path / "lines.txt"
    path.write_text("Sort the inbox.\nFix the <b>build</b>.\n")
    ise("report", "--intents", path, "--out", tmp_path / "r", "--embedder", "hashing")
    assert "&lt;b&gt;build" in (tmp_path / "r" / "index.html").read_text()


def test_reword_needs_sampled_intents(tmp_path: Path) -> None:
    path = tmp_path / "plain.jsonl"
    path.write_text(Intent(id="a", utterance="x").model_dump_json() + "\n")
    with pytest.raises(ConfigError, match="only sampled intents"):
        ise(
            *("reword", "--intents", path, "--out", tmp_path / "o.jsonl"),
            *("--model", "m@http://127.0.0.1:9/v1#attempts=1"),
        )
