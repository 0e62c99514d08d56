from __future__ import annotations

import pytest

from ise_env.traces.normaliser import Translation, comparable, normalise, rules_needed, same


@pytest.mark.parametrize(
    ("a", "b", "rule"),
    [
        (
            "-rw-r--r-- 1 agent agent 9 Nov 22 19:05 a",
            "-rw-r--r-- 1 agent agent 9 Jan  1  2026 a",
            "listing date",
        ),
        ("Sun Nov 22 19:05:01 UTC 2026", "Mon Nov 23 07:15:59 UTC 2026", "long date"),
        ("Ran 3 tests in 0.001s", "Ran 3 tests in 0.213s", "duration"),
        ("started 2026-11-22T19:05:01Z", "started 2026-11-23T01:00:00Z", "timestamp"),
        ("[main 3f2a91c] Fix it", "[main 90ab31f] Fix it", "commit"),
        ("3f2a91c", "90ab31f", "commit"),
        ("3f2a91c Fix it\n11aa22b Begin", "90ab31f Fix it\n77cc88d Begin", "commit"),
        (
            f".git/objects/15/{'4' * 38}\n.git/objects/c5/{'f' * 38}\n",
            f".git/objects/15/{'4' * 38}\n.git/objects/21/{'c' * 38}\n",
            "git object",
        ),
        ("wrote /tmp/tmp.Xa81kQ", "wrote /tmp/tmp.b77Plq", "temporary name"),
        ("at 0x7f8a11b2c0", "at 0x7f1234b2c0", "address"),
    ],
)
def test_allowed_differences(a, b, rule):
    assert same(a, b)
    assert rules_needed(a, b) == [rule]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("total: 1414", "total: 1413"),
        ("3 passed", "2 passed, 1 failed"),
        ("-rw-r--r-- 1 agent agent 9 Nov 22 19:05 a", "-rw-r--r-- 1 agent agent 8 Nov 22 19:05 a"),
        ("req=14961e bad checksum", "req=24961e bad checksum"),
        ("amount 12.50", "amount 12.05"),
        ("b1946ac92492d2347c6235b4d2611184  f", "591785b794601e212b260e25925636fd  f"),
        (
            "da39a3ee5e6b4b0d3255bfef95601890afd80709  f",
            "2ef7bde608ce5404e97d5f042f95f89f1c232871  f",
        ),
        (
            f".git/objects/15/{'4' * 38}\n.git/objects/c5/{'f' * 38}\n",
            f".git/objects/15/{'4' * 38}\n",
        ),
        ("(Command exited with code 1)", "(Command exited with code 2)"),
    ],
)
def test_differences_that_count(a, b):
    assert not same(a, b), normalise(a)


def test_an_identifier_is_translated_in_later_text():
    translation = Translation()
    translation.learn("commit " + "a1b2c3d4" * 5, "commit " + "0f1e2d3c" * 5)
    assert translation.apply("git show a1b2c3d4a1 -- f") == "git show 0f1e2d3c0f -- f"
    assert translation.apply("git show deadbee1") == "git show deadbee1"
    translation.learn("wrote /tmp/tmp.Xa81kQ", "wrote /tmp/tmp.b77Plq")
    assert translation.apply("cat /tmp/tmp.Xa81kQ") == "cat /tmp/tmp.b77Plq"


def test_records_of_two_executions_are_comparable(make_trajectory):
    one = make_trajectory(1, wall_s=1.0, run_id="a")
    two = make_trajectory(1, wall_s=2.0, run_id="b")
    assert comparable(one) == comparable(two)
    assert comparable(one) != comparable(make_trajectory(1, reward=1.0))
