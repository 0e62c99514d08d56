"""Files that lie around."""

from __future__ import annotations

from ise_env.tasks.surroundings import FOLDERS, surroundings


def test_there_are_as_many_as_asked_for_and_the_same_again() -> None:
    found = surroundings(7, "desk", 20)
    assert len(found) == 20
    assert found == surroundings(7, "desk", 20)
    assert found != surroundings(8, "desk", 20)


def test_they_lie_below_the_folder_and_nothing_is_left_to_fill_in() -> None:
    for seed in range(30):
        for path, text in surroundings(seed, "desk").items():
            assert path.startswith(tuple(f"desk/{name}/" for name in FOLDERS.values()))
            assert text.endswith("\n") and not {"{", "}"} & {*text}
