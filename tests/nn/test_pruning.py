"""Pruning: which weights of a network are removed."""

from __future__ import annotations

import numpy as np

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.losses import cross_entropy
from nnexp.nn.network import Network
from nnexp.nn.pruning import Pruning, everything


def network() -> Network:
    net = Network([3, 4, 2], ACTIVATIONS["relu"](), cross_entropy(), 6, np.float64)
    net.weights[0][...] = np.array([[1, -2, 3, -4], [5, -6, 7, -8], [9, -10, 11, -12]])
    net.weights[1][...] = np.array([[0.1, -0.2], [0.3, -0.4], [0.5, -0.6], [0.7, -0.8]])
    return net


def test_the_smallest_weights_of_each_layer_are_removed() -> None:
    net = network()
    left = Pruning(1, 0.5, 0.25, redrawn=False).shrink(net, everything(net))
    assert left[:12].tolist() == 6 * [False] + 6 * [True]
    assert left[12:20].tolist() == 2 * [False] + 6 * [True]
    assert left[20:].all()  # the biases


def test_a_round_removes_its_share_of_what_is_left() -> None:
    net, pruning = network(), Pruning(3, 0.5, 0.25, redrawn=False)
    left, counts = everything(net), []
    for _ in range(3):
        shrunk = pruning.shrink(net, left)
        assert not (shrunk & ~left).any()
        left = shrunk
        counts.append((int(left[:12].sum()), int(left[12:20].sum())))
        net.theta[~left] = 0  # what was removed is not counted again
    assert counts == [(6, 6), (3, 4), (1, 3)]  # 1.5 and 1.5 and 0.75: to the even whole number
    assert np.flatnonzero(left[:12]).tolist() == [11]
