from __future__ import annotations

import json

import pytest

from ise_env.errors import ConfigError
from ise_env.traces.reader import read_run, read_tools


def test_a_bad_line_is_named_with_file_line_and_field(tmp_path, make_trajectory):
    path = tmp_path / "records.jsonl"
    good = make_trajectory(1).model_dump_json()
    broken = json.loads(good)
    broken["termination"]["reason"] = "boredom"
    path.write_text(f"{good}\n{json.dumps(broken)}\n{good}\n")
    records = read_run(path)
    assert next(records).seed == 1
    with pytest.raises(ConfigError, match=r"records\.jsonl:2: termination\.reason: Input should"):
        next(records)


def test_a_newer_record_asks_for_an_upgrade(tmp_path, make_trajectory):
    path = tmp_path / "records.jsonl"
    newer = {**json.loads(make_trajectory(1).model_dump_json()), "schema_version": 2}
    path.write_text(json.dumps(newer) + "\n")
    with pytest.raises(ConfigError, match=r":1: a record of schema version 2.*upgrade ise-env$"):
        list(read_run(path))


def test_a_damaged_record_says_once_what_to_do(tmp_path, make_trajectory):
    path = tmp_path / "records.jsonl"
    path.write_text(make_trajectory(1).model_dump_json() + "\n{broken\n")
    with pytest.raises(ConfigError, match=r":2: .*ise fsck RUN --repair.*--resume") as caught:
        list(read_run(path))
    assert str(caught.value).count("fsck") == 1


def test_a_file_without_a_last_newline_is_read_whole(tmp_path, make_trajectory):
    path = tmp_path / "records.jsonl"
    path.write_text("\n".join(make_trajectory(n).model_dump_json() for n in (1, 2)))
    assert [r.seed for r in read_run(path)] == [1, 2]


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_holds_no_records(tmp_path, content):
    path = tmp_path / "records.jsonl"
    path.write_text(content)
    assert list(read_run(path)) == []


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError, match="no such file or run directory"):
        list(read_run(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="neither a run nor files"):
        list(read_run(tmp_path))
    with pytest.raises(ConfigError, match=r"abc\.json"):
        read_tools(tmp_path, "abc")


def test_several_files_are_read_in_turn(tmp_path, make_trajectory):
    paths = []
    for n in (2, 1):
        paths.append(tmp_path / f"{n}.jsonl")
        paths[-1].write_text(make_trajectory(n).model_dump_json() + "\n")
    assert [r.seed for r in read_run(paths)] == [2, 1]
    assert [r.seed for r in read_run(tmp_path)] == [1, 2]


def test_a_shard_whose_first_line_is_being_written_holds_no_records_yet(tmp_path, make_trajectory):
    line = make_trajectory(1).model_dump_json()
    for folder, readable in (("shards", True), ("elsewhere", False)):
        path = tmp_path / folder / "w0-00000.jsonl"
        path.parent.mkdir()
        path.write_text(line[:-20])
        if readable:
            assert list(read_run(path)) == []
        else:
            with pytest.raises(ConfigError, match="Invalid JSON"):
                list(read_run(path))
