"""`ise validate` and `ise new kit` as commands."""

from __future__ import annotations

import pytest

KITS = ("file-io/sort-archive", "file-io/rename-photos")


@pytest.mark.usefixtures("local_backend")
def test_validation_goes_on_where_it_stopped(ise, tmp_path):
    file = tmp_path / "state.jsonl"
    asked = ("validate", "--seeds", 1, "--no-tricks", "--jobs", 2, "--resume", file)
    status, out, _ = ise(*asked, "--kits", KITS[0])
    assert (status, "1 of 1 kits admitted" in out) == (0, True)
    status, out, _ = ise(*asked, "--kits", ",".join(KITS))
    assert status == 0
    assert "1 kits were admitted before" in out
    assert f"ok  {KITS[1]}" in out and f"ok  {KITS[0]}" not in out
    assert len(file.read_text().splitlines()) == 2


def test_a_results_file_in_no_folder_is_refused(ise, tmp_path):
    status, _, err = ise("validate", "--resume", tmp_path / "none" / "state.jsonl")
    assert (status, "there is no folder" in err) == (2, True)


def test_all_are_all(ise, monkeypatch):
    from ise_env.tasks import admission, registry

    asked = []
    monkeypatch.setattr(admission, "validate_kits", lambda kits, *_, **__: asked.append(kits) or ())
    for given in ([], ["--kits", "all"], ["--kits", "*"]):
        assert ise("validate", *given)[0] == 0
    assert asked == [list(registry.names())] * 3
    status, _, err = ise("validate", "--kits", "file-io/no-such")
    assert (status, "there is no such kit" in err) == (2, True)


def test_a_kit_that_exists_is_not_scaffolded_again(ise):
    status, _, err = ise("new", "kit", KITS[0])
    assert (status, "there is such a kit already" in err) == (2, True)
