"""read, write and edit, in a live workspace."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ise_env.tools.edit import EditParams, replace_once
from ise_env.tools.read import MAX_BYTES


def put(call, path, content):
    call.workspace.write(path, content if isinstance(content, bytes) else content.encode())


# -- read ------------------------------------------------------------------------------------


def test_read(call):
    put(call, "r/a.txt", "one\ntwo\n")
    assert call.text("read", path="r/a.txt") == "one\ntwo\n"
    assert call.text("read", path="/workspace/r/../r/a.txt") == "one\ntwo\n"
    put(call, "r/empty", "")
    assert call.text("read", path="r/empty") == ""


def test_read_home(call):
    call("exec", command="echo hi > ~/greeting")
    assert call.text("read", path="~/greeting") == "hi\n"


def test_read_a_part(call):
    put(call, "r/ten", "\n".join(str(n) for n in range(1, 11)))
    assert call.text("read", path="r/ten", offset=3, limit=2) == (
        "3\n4\n\n[6 more lines in file. Use offset=5 to continue.]"
    )
    assert call.text("read", path="r/ten", offset=9) == "9\n10"
    assert call.text("read", path="r/ten", offset=0, limit=1).startswith("1\n\n[9 more")
    assert call.text("read", path="r/ten", offset=10, limit=50) == "10"
    assert call("read", path="r/ten", limit=2).outcome.status == "ok"


def test_read_past_the_end(call):
    put(call, "r/two", "a\nb")
    assert call.error("read", path="r/two", offset=3) == (
        "Offset 3 is beyond end of file (2 lines total)",
        "beyond_end",
    )


def test_read_is_cut_at_2000_lines_and_can_be_continued(call):
    put(call, "r/long", "\n".join(str(n) for n in range(1, 4_501)))
    done = call("read", path="r/long")
    assert done.outcome.status == "truncated"
    pages, offset = [], 1
    while True:
        text = call.text("read", path="r/long", offset=offset)
        page, mark, note = text.partition("\n\n[Showing lines ")
        pages.append(page)
        if not mark:
            break
        shown, rest = note.split(" of ")
        first, last = map(int, shown.split("-"))
        assert (first, last) == (offset, offset + 1_999)
        assert rest == f"4500. Use offset={last + 1} to continue.]"
        offset = last + 1
    assert "\n".join(pages).split("\n") == [str(n) for n in range(1, 4_501)]
    assert len(pages) == 3


def test_read_is_cut_at_50_kilobytes(call):
    put(call, "r/wide", "\n".join("é" * 500 for _ in range(100)))
    text = call.text("read", path="r/wide")
    page, _, note = text.partition("\n\n[")
    assert len(page.encode()) <= MAX_BYTES < len(page.encode()) + 1_001
    assert note == "Showing lines 1-51 of 100 (50.0KB limit). Use offset=52 to continue.]"


def test_a_line_that_is_too_long(call):
    put(call, "r/min.js", "short\n" + "x" * 60_000)
    assert call.text("read", path="r/min.js", offset=2) == (
        "[Line 2 is 58.6KB, exceeds 50.0KB limit. Use exec: sed -n '2p' r/min.js | head -c 51200]"
    )
    assert call.text("read", path="r/min.js").startswith("short\n\n[Showing lines 1-1 of 2")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "image/png"),
        (b"\x1f\x8b\x08\x00" + bytes(9), "gzip"),
        (b"a\0b", "binary data"),
        ("text".encode("utf-16"), "UTF-16"),
        (b"\x7fELF" + bytes(60), "ELF"),
        (b"SQLite format 3\0" + bytes(99), "SQLite"),
    ],
)
def test_binary_files_are_named(call, content, kind):
    put(call, "r/thing.bin", content)
    message, error = call.error("read", path="r/thing.bin")
    assert kind in message
    assert f"{len(content):,} bytes" in message
    assert error == "binary_file"


@pytest.mark.parametrize("text", ["BMW is a car", "ID3, the algorithm", "%PDF- is how PDFs begin"])
def test_text_that_begins_like_something_else(call, text):
    put(call, "r/odd.txt", text)
    assert call.text("read", path="r/odd.txt") == text


def test_text_in_another_encoding_is_shown_as_well_as_it_can_be(call):
    put(call, "r/latin", b"caf\xe9\n")
    assert call.text("read", path="r/latin") == "caf\ufffd\n"


@pytest.mark.parametrize(
    ("path", "message", "error"),
    [
        ("r/none", "ENOENT: no such file or directory, access '/workspace/r/none'", "not_found"),
        (
            "/workspace",
            "EISDIR: illegal operation on a directory, read '/workspace'",
            "is_directory",
        ),
        ("/etc/passwd/x", "ENOTDIR: not a directory, access '/etc/passwd/x'", "not_a_directory"),
        ("n" * 300, f"ENAMETOOLONG: name too long, access '/workspace/{'n' * 300}'", "bad_path"),
    ],
)
def test_read_errors(call, path, message, error):
    assert call.error("read", path=path) == (message, error)


def test_read_of_what_is_no_regular_file(call):
    call(
        "exec", command="mkfifo r-pipe; ln -s r-loop r-loop; mkdir -p r; ln -s /nowhere r/dangling"
    )
    assert call.error("read", path="r-pipe") == (
        "'/workspace/r-pipe' is not a regular file",
        "not_a_file",
    )
    assert call.error("read", path="/dev/zero") == (
        "'/dev/zero' is not a regular file",
        "not_a_file",
    )
    assert call.error("read", path="r-loop")[1] == "bad_path"
    assert call.error("read", path="r/dangling")[1] == "not_found"


def test_read_of_a_huge_file(call):
    call("exec", command="truncate -s 20M r-huge")
    message, error = call.error("read", path="r-huge")
    assert "larger than 16 MB" in message
    assert error == "too_large"


# -- write -----------------------------------------------------------------------------------


def test_write_makes_parents_and_counts_utf16(call):
    text = "né 😀\n"
    assert call.text("write", path="w/deep/er/a.txt", content=text) == (
        "Successfully wrote 6 bytes to w/deep/er/a.txt"
    )
    assert call.workspace.read("w/deep/er/a.txt") == text.encode()


def test_write_replaces_and_keeps_the_mode(call):
    call.text("write", path="w.sh", content="echo one\n")
    call("exec", command="chmod 755 w.sh")
    call.text("write", path="w.sh", content="echo two\n")
    assert call.text("exec", command="./w.sh") == "two"


def test_write_empty_and_odd_names(call):
    for name in ("w-empty", "w ü 'x'", "-w", "w\n2"):
        assert call.text("write", path=name, content="") == f"Successfully wrote 0 bytes to {name}"
        assert call.workspace.read(name) == b""


def test_lone_surrogates_are_written_as_replacement_characters(call):
    raw = '{"path": "w-sur", "content": "a\\ud800b"}'
    result = call.send({"id": "s", "function": {"name": "write", "arguments": raw}})
    assert result.results[0].message["content"] == "Successfully wrote 3 bytes to w-sur"
    assert call.workspace.read("w-sur") == "a\ufffdb".encode()


def test_dots_are_taken_out_of_paths(call):
    call.text("write", path="w-none/../w-here.txt", content="x")
    assert call.workspace.read("w-here.txt") == b"x"
    assert call.text("read", path="/workspace/./w-none/../w-here.txt") == "x"


def test_write_errors(call):
    call("exec", command="mkdir -p w-dir; echo x > w-file")
    assert call.error("write", path="w-dir", content="x") == (
        "EISDIR: illegal operation on a directory, open '/workspace/w-dir'",
        "is_directory",
    )
    assert call.error("write", path="w-file/x", content="x")[1] in ("not_a_directory",)
    assert call.error("write", path="/usr/bin/x", content="x")[1] == "permission"
    assert call.error("write", path="w" * 300, content="x")[1] == "bad_path"


# -- edit ------------------------------------------------------------------------------------


def edited(call, content, old, new):
    put(call, "e.txt", content)
    text = call.text("edit", path="e.txt", oldText=old, newText=new)
    assert text == "Successfully replaced text in e.txt."
    return call.workspace.read("e.txt")


def test_edit(call):
    assert edited(call, "a = 1\nb = 2\n", "b = 2", "b = 3") == b"a = 1\nb = 3\n"
    assert edited(call, "x\n", "x\n", "") == b""


def test_edit_keeps_crlf(call):
    assert edited(call, b"a\r\nb\r\nc\r\n", "b\nc", "B\nB2\nC") == b"a\r\nB\r\nB2\r\nC\r\n"


def test_edit_of_mixed_line_ends_touches_nothing_else(call):
    assert edited(call, b"a\r\nb\nc\r\nd\n", "c\nd", "C\nD") == b"a\r\nb\nC\r\nD\n"
    assert edited(call, b"a\nb\r\nc\n", "c", "x\ny") == b"a\nb\r\nx\ny\n"


def test_edit_keeps_a_byte_order_mark_and_broken_bytes(call):
    assert edited(call, b"\xef\xbb\xbfa\n\xff\n", "a", "b") == b"\xef\xbb\xbfb\n\xff\n"


def test_edit_keeps_the_mode(call):
    put(call, "e.sh", "echo one\n")
    call("exec", command="chmod 755 e.sh")
    call.text("edit", path="e.sh", oldText="one", newText="two")
    assert call.text("exec", command="./e.sh") == "two"


@pytest.mark.parametrize(
    ("old", "new", "message", "error"),
    [
        (
            "zebra",
            "x",
            "Could not find the exact text in e-err. The old text must match exactly "
            "including all whitespace and newlines.",
            "no_match",
        ),
        (
            "aa",
            "x",
            "Found 2 occurrences of the text in e-err. The text must be unique. Please provide "
            "more context to make it unique.",
            "not_unique",
        ),
        (
            "bb",
            "bb",
            "No changes made to e-err. The replacement produced identical content.",
            "no_change",
        ),
        ("", "x", "oldText must not be empty in e-err.", "bad_arguments"),
    ],
)
def test_edit_errors_change_nothing(call, old, new, message, error):
    put(call, "e-err", "aa aa bb")
    assert call.error("edit", path="e-err", oldText=old, newText=new) == (message, error)
    assert call.workspace.read("e-err") == b"aa aa bb"


def test_edit_of_what_is_not_there(call):
    assert call.error("edit", path="e-none", oldText="a", newText="b") == (
        "File not found: e-none",
        "not_found",
    )
    assert call.error("edit", path="/workspace", oldText="a", newText="b")[1] == "is_directory"


# -- apply_patch -----------------------------------------------------------------------------


def patch(*lines):
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


def test_patch(call):
    put(call, "p/a.py", "def one():\n    return 1\n\n\ndef two():\n    return 1\n")
    put(call, "p/old.txt", "x\n")
    put(call, "p/gone.txt", "x\n")
    text = call.text(
        "apply_patch",
        input=patch(
            *("*** Add File: p/new.txt", "+hello", "+", "*** Delete File: p/gone.txt"),
            *("*** Update File: p/a.py", "@@ def two():", "-    return 1", "+    return 2"),
            *("*** Update File: p/old.txt", "*** Move to: p/renamed.txt", "@@", " x", "+y"),
            "*** End of File",
        ),
    )
    assert text == (
        "Success. Updated the following files:\n"
        "A p/new.txt\nD p/gone.txt\nM p/a.py\nM p/renamed.txt"
    )
    assert call.workspace.read("p/new.txt") == b"hello\n\n"
    assert call.workspace.read("p/a.py").endswith(b"def two():\n    return 2\n")
    assert call.workspace.read("p/renamed.txt") == b"x\ny\n"
    assert set(call.workspace.listdir("p")) == {"new.txt", "a.py", "renamed.txt"}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "changes no file"),
        (["hello"], "line 2: expected a file section"),
        (["*** Update File: q.txt"], "at least one hunk"),
        (["*** Update File: q.txt", "@@", "-nope"], "hunk 1 does not fit"),
        (["*** Update File: q.txt", "@@ nowhere", "-a"], "could not find its lines after"),
        (["*** Update File: q.txt", "@@", "-a", "*** End of File"], "does not fit"),
        (["*** Delete File: q-none"], "ENOENT"),
        (["*** Add File: ../x", "+a"], "below /workspace only"),
        (["*** Add File: /etc/x", "+a"], "below /workspace only"),
        (["*** Add File: q2.txt", "no plus"], "line 3: does not belong"),
        (["*** Add File: q3.txt", "+a", "*** Update File: q.txt", "@@", "-nope"], "does not fit"),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(call, lines, says):
    put(call, "q.txt", "a\nb\n")
    assert says in call.error("apply_patch", input=patch(*lines))[0]
    assert call.workspace.read("q.txt") == b"a\nb\n"
    assert "q3.txt" not in call.workspace.listdir(".")


def test_a_patch_needs_its_marks(call):
    assert "begins with" in call.error("apply_patch", input="--- a\n+++ b\n")[0]


def test_file_errors_are_valid_json_with_the_tool_named(call):
    text = call("read", path='no"quote\n').message["content"]
    assert json.loads(text) == {
        "status": "error",
        "tool": "read",
        "error": "ENOENT: no such file or directory, access '/workspace/no\"quote\n'",
    }


LINES = st.lists(st.sampled_from(["", "a", "b", "ab ", "é"]), min_size=1, max_size=8)
ENDS = st.sampled_from(["\n", "\r\n"])


@given(LINES, st.data())
def test_an_edit_changes_its_passage_and_nothing_else(lines, data):
    ends = [data.draw(ENDS) for _ in lines]
    before = "".join(map("".join, zip(lines, ends, strict=True)))
    start = data.draw(st.integers(0, len(lines) - 1))
    stop = data.draw(st.integers(start + 1, len(lines)))
    old = "\n".join(lines[start:stop])
    plain = "".join(f"{line}\n" for line in lines)
    at = len("".join(f"{line}\n" for line in lines[:start]))
    assume(old and plain.count(old) == 1 and plain.index(old) == at)
    after = replace_once(before, EditParams(path="x", oldText=old, newText="NEW\nTEXT"))
    kept = ["".join(each) for each in zip(lines, ends, strict=True)]
    new = f"NEW{ends[0]}TEXT{ends[stop - 1]}"
    assert after == "".join([*kept[:start], new, *kept[stop:]])
