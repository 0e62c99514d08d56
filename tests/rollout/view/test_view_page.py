"""The page as data: what is in it, and what a follower of a live run reads."""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
import urllib.error
import urllib.request

import pytest

from ise_env.rollout.view.page import static_page
from ise_env.rollout.view.server import Follower, ViewServer
from ise_env.traces import seal
from ise_env.traces.reader import read_run


def unpacked(page, id_):
    text = re.search(rf'<script type="application/octet-stream" id="{id_}">([^<]*)<', page)[1]
    return json.loads(gzip.decompress(base64.b64decode(text)))


def test_every_record_is_in_the_page(runs):
    records = list(read_run(runs / "faulty"))
    page = "".join(static_page("faulty", records))
    index = unpacked(page, "index")
    assert [row["id"] for row in index] == [r.episode_id for r in records]
    assert [row["success"] for row in index] == [r.success for r in records]
    for number, record in enumerate(records):
        found = unpacked(page, f"e-{number}")
        assert [m["content"] for m in found["messages"]] == [m["content"] for m in record.messages]
    assert "://" not in re.sub(r'<script type="application/octet[^<]*</script>', "", page)


def test_token_ids_stay_out_of_the_page(runs):
    record = next(iter(read_run(runs / "faulty")))
    message = next(m for m in record.messages if m["role"] == "assistant")
    message["x"] |= {"token_ids": [1] * 1000, "logprobs": {"content": []}}
    page = "".join(static_page("faulty", [record]))
    found = next(m for m in unpacked(page, "e-0")["messages"] if m["role"] == "assistant")
    assert not {"token_ids", "logprobs"} & found["x"].keys()
    assert message["x"]["token_ids"]


def test_a_follower_reads_each_record_once_and_waits_for_torn_lines(rewritten):
    run = rewritten(lambda record: record)
    (shard,) = (run / "shards").iterdir()
    lines = shard.read_bytes().splitlines(keepends=True)
    shard.write_bytes(lines[0] + lines[1][:100])
    follower = Follower(run)
    follower.look()
    assert len(follower.summaries) == 1
    shard.write_bytes(b"".join(lines[:3]))
    follower.look()
    follower.look()
    assert len(follower.summaries) == 3
    shard.write_bytes(b"".join(lines))
    seal.seal(shard)
    assert not shard.exists()
    follower.look()
    assert [s["number"] for s in follower.summaries] == list(range(6))
    assert len({s["id"] for s in follower.summaries}) == len(follower.packed) == 6


def test_the_server_answers_this_machine_only(runs):
    with ViewServer(runs / "faulty") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with urllib.request.urlopen(f"{server.url}index.json?from=4", timeout=10) as answer:
            assert [row["number"] for row in json.load(answer)] == [4, 5]
        with urllib.request.urlopen(f"{server.url}episode/5", timeout=10) as answer:
            assert json.loads(gzip.decompress(answer.read()))["schema_version"] == 1
        for path, host in (("episode/99", None), ("../run.json", None), ("", "evil.example:80")):
            request = urllib.request.Request(server.url + path)
            if host:
                request.add_header("Host", host)
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=10)
            assert refused.value.code == (403 if host else 404)
        server.shutdown()


def test_the_command_writes_a_page_and_names_what_is_wrong(runs, tmp_path, ise):
    out = tmp_path / "page.html"
    status, said, _ = ise("view", runs / "faulty", "--out", out, "--no-open")
    assert (status, said.startswith(str(out))) == (0, True)
    assert out.read_text(encoding="utf-8").count("octet-stream") == 7
    status, _, err = ise("view", tmp_path / "none", "--no-open")
    assert (status, err.count("\n")) == (2, 1)
    assert "no such file or run directory" in err
    status, _, err = ise("view", runs / "faulty", "--out", tmp_path, "--no-open")
    assert (status, "is a directory" in err) == (2, True)


def test_a_damaged_record_is_an_answer_and_no_traceback(rewritten, capfd):
    run = rewritten(lambda record: record)
    with ViewServer(run) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with next(run.glob("shards/*.jsonl")).open("ab") as file:
            file.write(b"{}\n")
        with pytest.raises(urllib.error.HTTPError, match="500") as answer:
            urllib.request.urlopen(f"{server.url}index.json", timeout=10)
        assert b"from byte" in answer.value.read()
        server.shutdown()
    assert "Traceback" not in capfd.readouterr().err
