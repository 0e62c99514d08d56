from __future__ import annotations

import pytest

from ise_env.rollout.topology import Topology, entropy


def test_entropy_in_bits():
    assert entropy([1, 1]) == 1.0
    assert entropy([3, 3, 3, 3, 0]) == 2.0
    assert entropy([5]) == entropy([]) == 0.0


def test_a_fixed_order_has_no_surprise_and_a_mixed_one_has():
    fixed = Topology()
    for _ in range(5):
        fixed.add(["read", "write", "exec"])
    assert fixed.next_tool_entropy == pytest.approx(0.0)
    assert (len(fixed.graphs), fixed.graph_entropy) == (1, 0.0)
    mixed = Topology()
    mixed.add(["read", "write"])
    mixed.add(["read", "exec"])
    assert mixed.next_tool_entropy == pytest.approx(1.0)
    assert mixed.graph_entropy == pytest.approx(1.0)


def test_of_nothing_there_is_no_entropy():
    assert Topology().next_tool_entropy is None
    assert Topology().graph_entropy is None
