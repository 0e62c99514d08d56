"""memory_search and memory_get: notes in the live workspace, friendly and hostile."""

import json

import pytest

from ise_env.tools import memory_index
from ise_env.tools.memory_index import search, split, terms
from ise_env.workspaces.protocol import SeedFile

NOTES = {
    "MEMORY.md": "# Memory\n\nRobin prefers short mails.\n\n## Decisions\nSee memory/.\n",
    "memory/2026-01-03.md": (
        "# Monday\nTalked about holidays.\n\n## Database\nWe decided to keep PostgreSQL 15 and to "
        "migrate the invoices table in March.\n"
    ),
    "memory/projects/harbour.md": "# Harbour\nThe CI runs on the blue runner. Owner: Ines.\n",
    "memory/zh.md": "# 会议\n我们决定三月迁移数据库，由林女士负责。\n",
    "notes.md": "PostgreSQL is mentioned here too, but this is no memory.\n",
}


@pytest.fixture(scope="module")
def shared_workspace(local_backend):
    workspace = local_backend.create(owner="tests")
    workspace.populate([SeedFile(path, text.encode()) for path, text in NOTES.items()])
    workspace.checkpoint()
    yield workspace
    workspace.close()


def found(call, query, **more):
    return json.loads(call.text("memory_search", query=query, **more))


def test_the_passage_with_the_query_comes_first(call):
    value = found(call, "what did we decide about the PostgreSQL migration of invoices?")
    assert (value["provider"], value["mode"], value["citations"]) == ("none", "fts-only", "auto")
    best = value["results"][0]
    assert best["path"] == "memory/2026-01-03.md"
    assert (best["startLine"], best["endLine"]) == (4, 6)
    assert best["citation"] == "memory/2026-01-03.md#L4-L6"
    assert "PostgreSQL 15" in best["snippet"]
    assert best["source"] == "memory"
    assert 0.5 < best["score"] <= 1


def test_files_outside_memory_are_not_searched(call):
    paths = {r["path"] for r in found(call, "PostgreSQL", minScore=0)["results"]}
    assert paths == {"memory/2026-01-03.md"}


def test_nothing_found_reads_as_upstream_prints_it(call):
    assert call.text("memory_search", query="zeppelin") == (
        '{\n  "results": [],\n  "provider": "none",\n  "citations": "auto",\n'
        '  "mode": "fts-only"\n}'
    )


@pytest.mark.parametrize("query", ["数据库", "迁移数据库的决定", "林女士"])
def test_chinese_is_found_without_spaces(call, query):
    assert found(call, query)["results"][0]["path"] == "memory/zh.md"


def test_words_too_short_for_a_trigram_are_found(call):
    assert found(call, "CI runner")["results"][0]["path"] == "memory/projects/harbour.md"


@pytest.mark.parametrize(
    "query", ['"', "NEAR(a b)", "a* OR b*", "-x", "%", "_", "'; DROP TABLE passages; --", "🙂", "("]
)
def test_operators_of_search_engines_mean_nothing(call, query):
    assert isinstance(found(call, query)["results"], list)


def test_max_results_and_min_score(call):
    assert len(found(call, "Robin PostgreSQL harbour", maxResults=1)["results"]) == 1
    strict = found(call, "Robin zeppelin airship", minScore=0.9)
    assert strict["results"] == []
    assert found(call, "Robin zeppelin airship", minScore=0)["results"]


def test_what_was_just_written_is_found(fresh_call):
    fresh_call.text("write", path="memory/today.md", content="The gate code is 4711.\n")
    assert found(fresh_call, "gate code")["results"][0]["path"] == "memory/today.md"


def test_hostile_files_are_left_out_and_named(fresh_call):
    fresh_call.text(
        "exec",
        command="mkdir -p memory/a/b/c/d/e && cd memory && head -c 3000000 /dev/zero > a0.md && "
        "mkfifo pipe.md && ln -s /dev/zero zero.md && ln -s / root && ln -s . loop && "
        "printf 'odd \\377\\000 bytes: heron\\n' > odd.md && echo heron > a/b/c/d/e/deep.md && "
        "head -c 200000 /dev/urandom | tr -d '\\n' > line.md && "
        "for i in $(seq 400); do echo heron $i > f$i.md; done",
    )
    value = found(fresh_call, "heron", maxResults=50)
    assert len(value["results"]) == 50
    assert "memory/a0.md (larger than 256 KB)" in value["warning"]
    assert "past the limits (300 files, 2 MB)" in value["warning"]
    assert not any("deep" in r["path"] or "loop" in r["path"] for r in value["results"])


def test_a_search_without_end_is_ended(fresh_call, monkeypatch):
    monkeypatch.setattr(memory_index, "MAX_SECONDS", 0.05)
    fresh_call.text(
        "exec",
        command="mkdir memory; for i in 1 2 3 4; do head -c 250000 /dev/zero | tr '\\0' a > "
        "memory/$i.md; done",
    )
    query = " ".join("a" * length for length in range(4, 36))
    message, kind = fresh_call.error("memory_search", query=query)
    assert kind == "timeout"
    assert "no result within 0.05 seconds" in message


def test_get_reads_whole_files_and_lines(call):
    assert json.loads(call.text("memory_get", path="MEMORY.md")) == {
        "text": NOTES["MEMORY.md"],
        "path": "MEMORY.md",
    }
    part = json.loads(
        call.text("memory_get", path="memory/2026-01-03.md", **{"from": 4, "lines": 1})
    )
    assert part["text"] == "## Database"


def test_a_missing_file_reads_as_empty(call):
    value = json.loads(call.text("memory_get", path="memory/nothing.md"))
    assert value == {"text": "", "path": "memory/nothing.md"}


@pytest.mark.parametrize("path", ["notes.md", "../etc/passwd", "/etc/passwd", "memory/../notes.md"])
def test_only_memory_is_read(call, path):
    message, kind = call.error("memory_get", path=path)
    assert kind == "bad_path"
    assert "no memory file" in message


def test_links_and_huge_files_are_refused(fresh_call):
    fresh_call.text(
        "exec",
        command="mkdir memory; cd memory; ln -s /etc/passwd link.md; "
        "head -c 900000 /dev/zero > big.md",
    )
    assert fresh_call.error("memory_get", path="memory/link.md")[1] == "not_a_file"
    done = fresh_call("memory_get", path="memory/big.md")
    assert done.outcome.status == "tool_error"
    assert json.loads(done.message["content"])["disabled"] is True


def test_the_parameter_from_is_known_by_its_own_name(call):
    message, _ = call.error("memory_get", path="MEMORY.md", **{"from": 0})
    assert "from: must be" in message
    assert "not parameters" not in message


def test_terms_leave_out_filler_unless_there_is_nothing_else():
    assert terms("What did we decide about the CI?") == ["decide", "ci"]
    assert terms("who are we") == ["who", "are", "we"]
    assert terms("数据库迁移") == ["数据", "据库", "库迁", "迁移"]


def test_passages_cover_every_line_once():
    text = "\n".join(f"line {n} " + "x" * 50 for n in range(1, 200)) + "\n# Head\n" + "y" * 5000
    passages = list(split("MEMORY.md", text))
    lines = [n for p in passages for n in range(p.start, p.end + 1)]
    assert sorted(set(lines)) == list(range(1, 202))
    assert max(len(p.text) for p in passages) <= 1_600 + 60


def test_a_rare_term_weighs_more():
    texts = {"a.md": "report heron", "b.md": "report", "c.md": "report", "d.md": "report"}
    hits = search(texts, "report heron")
    assert hits[0].passage.path == "a.md"
    assert hits[0].score == pytest.approx(1.0)
    assert hits[1].score < 0.4
