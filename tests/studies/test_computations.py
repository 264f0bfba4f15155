"""Named computations: golden values worked by hand, and checks that can fail."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import yaml

from nnexp.data import arrays
from nnexp.errors import InputError
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.quirks import UnderivedBias
from nnexp.studies.computations import COMPUTATIONS, agrees, compute, entry
from nnexp.studies.computations.networks import drawn
from tests import ROOT

EXPERIMENTS = ROOT / "experiments" / "documents"
LN2 = math.log(2)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNEXP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def near(quantity: object, figures: object) -> bool:
    return agrees(quantity, figures, 1e-12)  # type: ignore[arg-type]


# Networks by hand.

# x = 2: A1 = (2·1 + 0, 2·(-1) + 1) = (2, -1), Z1 = (2, 0), A2 = 2·3 + 0·4 + 5 = 11.
SMALL: dict[str, Any] = {
    "x": [2],
    "weights": [[[1, -1]], [[3], [4]]],
    "biases": [[0, 1], [5]],
    "activation": "relu",
}
BY_HAND = {"A1": [2, -1], "Z1": [2, 0], "A2": [11], "Y": [11]}


def test_a_network_by_hand() -> None:
    found = compute("forward", SMALL)
    assert list(found) == list(BY_HAND)
    assert all(near(found[name], figures) for name, figures in BY_HAND.items())


def test_weights_as_rows_of_outputs_are_the_same_network() -> None:
    turned = {**SMALL, "weights": [[[1], [-1]], [[3, 4]]], "layout": "out_in"}
    found = compute("forward", turned)
    assert all(near(found[name], figures) for name, figures in BY_HAND.items())


def test_several_examples_come_back_as_rows() -> None:
    # x = -1 besides: A1 = (-1, 2), Z1 = (0, 2), A2 = 8 + 5.
    found = compute("forward", {**SMALL, "x": [[2], [-1]]})
    assert near(found["A1"], [[2, -1], [-1, 2]])
    assert near(found["Z1"], [[2, 0], [0, 2]])
    assert near(found["Y"], [[11], [13]])


@pytest.mark.parametrize(
    ("output", "expected"), [("sigmoid", [3 / 4]), ("softmax", [1]), ("identity", [math.log(3)])]
)
def test_the_output_is_its_own_choice(output: str, expected: list[float]) -> None:
    # One layer, logit ln 3: the sigmoid gives 3/4, a softmax over a single output 1.
    given = {"x": [1], "weights": [[[math.log(3)]]], "biases": [[0]], "output": output}
    found = compute("forward", given)
    assert near(found["A1"], [math.log(3)])
    assert near(found["Y"], expected)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ({"name": "leaky_relu", "slope": 0.5}, [2, -0.5]),
        ("silu", [2 / (1 + math.exp(-2)), -1 / (1 + math.e)]),
    ],
)
def test_any_activation_with_its_parameters(activation: Any, expected: list[float]) -> None:
    found = compute("forward", {**SMALL, "activation": activation})
    assert near(found["A1"], [2, -1])
    assert near(found["Z1"], expected)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([0, math.log(3)], [1 / 4, 3 / 4]),
        ([[0, 0], [5 + math.log(4), 5]], [[1 / 2, 1 / 2], [4 / 5, 1 / 5]]),
    ],
)
def test_softmax_by_hand(logits: Any, expected: Any) -> None:
    for shifted in (True, False):
        found = compute("softmax", {"logits": logits, "shifted": shifted})
        assert near(found["probabilities"], expected)


def test_the_shift_alone_keeps_large_logits_from_overflowing() -> None:
    large = [1000 + math.log(3), 1000]
    assert near(compute("softmax", {"logits": large})["probabilities"], [3 / 4, 1 / 4])
    naive = compute("softmax", {"logits": large, "shifted": False})["probabilities"]
    assert agrees(naive, [math.nan, math.nan], 0)


# -(ln 1/2 + ln 3/4) / 2; the gradient (p - t) / 2.
TABLE = [[1 / 2, 1 / 2], [1 / 4, 3 / 4]]
GRADIENT = [[-1 / 4, 1 / 4], [1 / 8, -1 / 8]]


@pytest.mark.parametrize("printed", [{"probabilities": TABLE}, {"gradient": GRADIENT}])
def test_cross_entropy_of_a_printed_table(printed: dict[str, Any]) -> None:
    found = compute("cross_entropy_of", {"labels": [0, 1], **printed})
    assert near(found["loss"], (LN2 + math.log(4 / 3)) / 2)
    assert near(found["probabilities"], TABLE)
    assert near(found["gradient"], GRADIENT)


# One linear unit, o = w0 + 2·w1 = 3, t = 1: loss ½·2² = 2, dW = (o - t)·x = (2, 4). With h = ½ more
# of w0 the loss is ½·2.5² = 3.125, of w1 ½·3² = 4.5.
LINEAR: dict[str, Any] = {
    "x": [1, 2],
    "target": [1],
    "weights": [[1], [1]],
    "loss": {"name": "mse", "reduction": "sum", "output": "identity"},
    "h": 0.5,
}


@pytest.mark.parametrize("method", ["backprop", "numerical"])
def test_a_gradient_by_hand(method: str) -> None:
    # A parabola's central differences are exact, whatever the width.
    found = compute("loss_gradient", {**LINEAR, "method": method})
    assert near(found["loss"], 2)
    assert near(found["dW"], [[2], [4]])
    assert near(found["rise"], [[1.125], [2.5]])


def test_several_examples_share_a_gradient() -> None:
    # A second example with o = t adds nothing and halves the mean.
    both = {**LINEAR, "x": [[1, 2], [0, 0]], "target": [[1], [0]]}
    found = compute("loss_gradient", both)
    assert near(found["loss"], 1)
    assert near(found["dW"], [[1], [2]])


# Agreements that must be able to fail.


@pytest.mark.parametrize(
    "given",
    [
        {"hidden": ["none", 5, "4x3x2"]},
        {"hidden": [6], "outputs": 1, "loss": "binary_cross_entropy"},
        {"hidden": [6], "activation": "gelu", "loss": "mse", "init": "he"},
        {"hidden": [6], "activation": "step"},
    ],
)
def test_backpropagation_agrees_with_differences(given: dict[str, Any]) -> None:
    assert agrees(compute("gradient_agreement", {"features": 4, **given})["difference"], 0, 1e-6)


def test_the_parameters_compared_are_all_of_them() -> None:
    given = {"hidden": ["none", 5], "features": 4, "outputs": 3}
    # 4·3 + 3, and 4·5 + 5 + 5·3 + 3.
    assert compute("gradient_agreement", given)["parameters"] == 15 + 43


def test_a_wrong_gradient_does_not_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnexp.studies.computations.networks.Network", UnderivedBias)
    deep = compute("gradient_agreement", {"hidden": ["none", 5], "features": 4})
    # The slope it forgets is 1/4 at most: it is four times too large, or more.
    assert entry(deep, "difference") > 0.7
    # Without a hidden layer there is no derivative to forget.
    flat = compute("gradient_agreement", {"hidden": ["none"], "features": 4})
    assert entry(flat, "difference") < 1e-6


def test_a_deep_linear_network_is_a_single_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"hidden": "6x5x4", "features": 7, "outputs": 3, "rows": 20}
    assert entry(compute("deep_linear", given), "difference") < 1e-13
    monkeypatch.setitem(ACTIVATIONS, "identity", ACTIVATIONS["tanh"])
    assert entry(compute("deep_linear", given), "difference") > 0.01


# Activations, labels, counts, cost.


@pytest.mark.parametrize(
    ("given", "largest", "output"),
    [
        ({"activation": "sigmoid"}, 1 / 4, 1 / (1 + math.exp(-10))),
        ({"activation": "tanh"}, 1, math.tanh(10)),
        ({"activation": "relu"}, 1, 10),
        ({"activation": {"name": "leaky_relu", "slope": 0.1}, "high": -1}, 0.1, 1),
        ({"activation": "step"}, 0, 1),
        # From 1 on the sigmoid's slope only falls: s(1)·(1 - s(1)) = e / (1 + e)².
        (
            {"activation": "sigmoid", "low": 1, "high": 2, "points": 2},
            math.e / (1 + math.e) ** 2,
            1 / (1 + math.exp(-2)),
        ),
    ],
)
def test_the_largest_slope(given: dict[str, Any], largest: float, output: float) -> None:
    found = compute("derivative_bound", given)
    assert near(found["largest"], largest)
    assert near(found["output"], output)


def test_parameters_are_counted() -> None:
    found = compute("parameter_count", {"hidden": "3x4", "features": 2, "outputs": 1})
    assert found == {"parameters": 6 + 12 + 4 + 3 + 4 + 1, "weights": 6 + 12 + 4}


def test_labels_of_other_images() -> None:
    # 5041921314 against 7210414959: equal nowhere; of the 100 pairs of places 1 (zeros) + 3·2
    # (ones) + 1 (twos) + 2·2 (fours) + 1 (fives) + 1·2 (nines) have equal labels.
    assert compute("label_mixup", {"count": 10}) == {"perfect": 0, "chance": pytest.approx(0.15)}
    assert entry(compute("label_mixup", {}), "perfect") == 0.08


def test_the_depth_to_which_a_linear_network_passes_information() -> None:
    # The correlation approaches 1 by a factor of 1/e² per layer: half a layer for a factor of e.
    given = {"activation": "identity", "weight_variance": math.exp(-2), "bias_variance": 0.1}
    found = compute("correlation_length", given)
    assert near(found["length"], 0.5)
    assert near(found["layers"], 3)
    assert near(found["variance"], 0.1 / (1 - math.exp(-2)))


def test_the_cost_of_a_numerical_gradient() -> None:
    found = compute("gradient_cost", {"hidden": 3, "batch": 5, "timed": 109, "iterations": 7})
    cost = {name: float(value) for name, value in found.items()}
    assert cost["parameters"] == 784 * 3 + 3 + 3 * 10 + 10
    assert cost["passes"] == 2 * cost["parameters"] + 1
    assert cost["timed"] == 100  # in ten rounds of as many
    assert cost["numerical_seconds"] > cost["backprop_seconds"] > 0
    assert cost["ratio"] == cost["numerical_seconds"] / cost["backprop_seconds"]
    assert cost["orders"] == pytest.approx(math.log10(cost["ratio"]))
    assert cost["hours"] == pytest.approx(7 * cost["numerical_seconds"] / 3600)
    # A pass of its own for each of 4791 losses, against one forward and one backward.
    assert cost["ratio"] > 300


# Figures.


@pytest.mark.parametrize(
    ("computed", "published", "rounding", "same"),
    [
        (0.2192, 0.22, 0.005, True),
        (0.2192, 0.21, 0.005, False),
        (0.5, 0.25, 0.25, True),
        (math.nan, math.nan, 0, True),
        (math.nan, 0, 1, False),
        (0, math.nan, 1, False),
        (math.inf, math.inf, 0, True),
        (-math.inf, math.inf, 0, False),
        (math.inf, 0, 1, False),
        (0, math.inf, 1, False),
        ([1, 2], [1, 2.4], 0.5, True),
        ([1, 2], [1, 2.6], 0.5, False),
        ([1, math.nan], [1, math.nan], 0, True),
        ([1, math.nan], [math.nan, 1], 9, False),
        ([1, 1], 1, 9, False),
        ([[1, 1]], [1, 1], 9, False),
    ],
)
def test_a_figure_agrees_within_its_rounding(
    computed: Any, published: Any, rounding: float, same: bool
) -> None:
    quantity = np.array(computed, float) if isinstance(computed, list) else computed
    assert agrees(quantity, published, rounding) is same


def test_parts_of_quantities_are_named() -> None:
    found = {"loss": 2.0, "dW": np.array([[1.0, 2.0], [3.0, 4.0]])}
    assert entry(found, "loss") == 2
    assert entry(found, "dW[1,0]") == entry(found, "dW[1, 0]") == 3
    assert near(entry(found, "dW[1]"), [3, 4])
    assert near(entry(found, "dW"), [[1, 2], [3, 4]])


@pytest.mark.parametrize("name", ["dW[2,0]", "dW[0,0,0]", "loss[0]", "dW[0,]"])
def test_a_part_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not a part of"):
        entry({"loss": 2.0, "dW": np.ones((2, 2))}, name)


@pytest.mark.parametrize("name", ["dw", "dw[0]", "", "dW[x]", "dW[-1]"])
def test_a_quantity_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"unknown quantity .* choose from dW, loss"):
        entry({"loss": 2.0, "dW": np.ones((2, 2))}, name)


# Refusals.


@pytest.mark.parametrize("name", COMPUTATIONS)
def test_an_unknown_argument_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"compute={name} has no argument 'nosuch': it takes "):
        compute(name, {"nosuch": 1})


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("sofmax", {}, "unknown computation 'sofmax': did you mean 'softmax'?"),
        ("softmax", {}, "compute=softmax needs the argument 'logits': it takes logits, shifted"),
        ("softmax", {"logit": [1]}, "no argument 'logit': did you mean 'logits'?"),
        (
            "softmax",
            {"logits": [[1], [1, 2]]},
            "logits is not a number or a regular list",
        ),
        ("softmax", {"logits": "abc"}, "logits is not a number"),
        ("softmax", {"logits": []}, "logits has the shape (0,): give numbers"),
        ("softmax", {"logits": [[[1]]]}, "logits has the shape (1, 1, 1): give a list"),
        ("softmax", {"logits": [1], "shifted": 1}, "shifted=1 is invalid: give true or false"),
        ("forward", {**SMALL, "layout": "rows"}, "unknown layout 'rows': choose from in_out, out"),
        ("forward", {**SMALL, "layout": "out_in"}, "layer 1 takes 1 inputs and has 2 biases"),
        ("forward", {**SMALL, "biases": [[0, 1]]}, "a bias vector for each of the 2 weight"),
        ("forward", {**SMALL, "biases": 5}, "biases=5 is not a list"),
        ("forward", {**SMALL, "weights": [[1, 2], [3]]}, "weights has the shape (2,): give a list"),
        ("forward", {**SMALL, "activation": "relo"}, "unknown activation 'relo': did you mean"),
        ("forward", {**SMALL, "output": "tanh"}, "unknown output 'tanh'"),
        ("cross_entropy_of", {"labels": [0]}, "give one of probabilities and gradient"),
        (
            "cross_entropy_of",
            {"labels": [0, 1], "probabilities": TABLE, "gradient": GRADIENT},
            "give one of probabilities and gradient",
        ),
        ("cross_entropy_of", {"labels": [0], "gradient": GRADIENT}, "labels=[0]: give 2 of them"),
        ("cross_entropy_of", {"labels": [0, 2], "gradient": GRADIENT}, "labels=2 is invalid"),
        (
            "cross_entropy_of",
            {"labels": [0], "probabilities": [[1, 0]]},
            "probabilities makes a probability that is not above 0",
        ),
        (
            "loss_gradient",
            {**LINEAR, "x": [1]},
            "x (1, 1), weights (2, 1) and target (1, 1) do not",
        ),
        ("loss_gradient", {**LINEAR, "target": [1, 2]}, "target (1, 2) do not fit"),
        (
            "loss_gradient",
            {**LINEAR, "method": "numeric"},
            "unknown method 'numeric': did you mean",
        ),
        ("loss_gradient", {**LINEAR, "h": 0}, "h=0 is invalid: give a number above 0"),
        ("gradient_agreement", {"hidden": 5}, "hidden=5 is not a list"),
        ("gradient_agreement", {"hidden": ["5x"]}, "hidden=5x is not a list of widths"),
        ("gradient_agreement", {"hidden": [5], "batch": 0}, "batch=0 is invalid"),
        ("gradient_agreement", {"hidden": [5], "init": "xavir"}, "unknown init 'xavir'"),
        ("deep_linear", {"hidden": "5", "rows": -1}, "rows=-1 is invalid"),
        ("derivative_bound", {"activation": "sigmoid", "points": 1}, "points=1 is invalid"),
        ("derivative_bound", {"activation": "sigmoid", "low": "x"}, "low=x is invalid"),
        ("label_mixup", {"count": 10_001}, "count=10001 is invalid: give a whole number from 1"),
        (
            "correlation_length",
            {"activation": "tanh", "weight_variance": -1},
            "weight_variance=-1 is invalid",
        ),
        (
            "correlation_length",
            {"activation": "identity", "weight_variance": 2, "bias_variance": 1},
            "have no fixed point: give smaller variances",
        ),
        ("gradient_cost", {"timed": 9}, "timed=9 is invalid: give a whole number from 10"),
        ("gradient_cost", {"batch": 60_001}, "data.first=60001 is more than the 60000"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(
    name: str, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        compute(name, given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# A single neuron.

SQUARED = {"name": "mse", "reduction": "sum"}
ENTROPY = {"name": "binary_cross_entropy", "reduction": "sum"}


@pytest.mark.parametrize("loss", [SQUARED, ENTROPY])
def test_a_neuron_descends_as_by_hand(loss: object) -> None:
    """∂C/∂z is (a − y)·a·(1 − a) for squared error and a − y for cross-entropy."""
    weight, bias, lr, x, y = 0.6, 0.9, 0.15, 2.0, 0.25
    found = compute(
        "one_neuron",
        {"weight": weight, "bias": bias, "loss": loss, "lr": lr}
        | {"steps": 20, "x": x, "target": y},
    )["outputs"]
    outputs = []
    for _ in range(21):
        a = 1 / (1 + math.exp(-(weight * x + bias)))
        outputs.append(a)
        delta = (a - y) * (a * (1 - a) if loss is SQUARED else 1)
        weight, bias = weight - lr * delta * x, bias - lr * delta
    assert near(found, outputs)


def test_the_faster_of_two_neurons_is_nearer_to_the_target() -> None:
    slow: dict[str, Any] = {"weight": 2, "bias": 2, "loss": SQUARED, "lr": 0.15}
    pair = {"first": {**slow, "lr": 1.5}, "second": slow, "steps": 100}
    assert compute("faster_neuron", pair) == {"faster": 1}
    turned = {"first": pair["second"], "second": pair["first"], "steps": 100}
    assert compute("faster_neuron", turned) == {"faster": 0}
    with pytest.raises(InputError, match=r"first=\{.*\} is not a neuron: give weight, bias"):
        compute("faster_neuron", {**pair, "first": {"weight": 1}})


# Gradients of biases.


def test_the_gradients_of_biases_are_those_of_the_mean_loss() -> None:
    """Of one image and one unit a layer, by hand: δ₂ = Σ_k (o_k − t_k)·w_k·a·(1 − a), and down."""
    given = {"hidden": "1x1", "figures": [1, 1], "rounding": 0, "networks": 1, "examples": 1}
    found = compute("bias_gradients", given)
    network = drawn((784, 1, 1, 10), "sigmoid", "cross_entropy", "lecun", 1, 0, biases="randn")
    x, labels, *_ = arrays("mnist", first=1)
    (w1, w2, w3), (b1, b2, b3) = network.weights, network.biases
    a1 = 1 / (1 + np.exp(-(x.astype(float) @ w1 + b1)))
    a2 = 1 / (1 + np.exp(-(a1 @ w2 + b2)))
    o = 1 / (1 + np.exp(-(a2 @ w3 + b3)))
    delta = (o - np.eye(10)[labels]) @ w3.T * a2 * (1 - a2)
    below = delta @ w2.T * a1 * (1 - a1)
    assert np.allclose(found["middle"], np.abs([below.item(), delta.item()]))


def test_figures_far_from_the_networks_lie_outside() -> None:
    given = {"hidden": "9x9", "rounding": 0.0, "networks": 8, "examples": 50}
    found = compute("bias_gradients", {**given, "figures": [1, 1]})
    typical = np.asarray(found["middle"])
    assert (found["low"] < typical).all()
    assert (typical < found["high"]).all()
    inside = [
        compute("bias_gradients", {**given, "figures": list(figures)})["inside"]
        for figures in (typical, typical * [1, 9], typical * [9, 1])
    ]
    assert inside == [1, 0, 0]
    assert compute("bias_gradients", {**given, "figures": [9, 9], "rounding": 9})["inside"] == 1
    with pytest.raises(InputError, match="give one a hidden layer, 2"):
        compute("bias_gradients", {**given, "figures": [1]})


# The studies' own claims.

# Of networks for MNIST, with every parameter moved.
LARGE = ("forward_passes", "same_gradient")


def computed_claims() -> list[Any]:
    """Return the claims of two studies, but for a timing."""
    claims = []
    for name in ("arithmetic", "gradients"):
        text = (EXPERIMENTS / f"{name}.yaml").read_text("utf-8")
        claims += yaml.safe_load(text)["study"]["claims"]
    return [
        pytest.param(c, id=c["id"], marks=[pytest.mark.slow] if c["id"] in LARGE else [])
        for c in claims
        if "orders" not in c["published"]
    ]


@pytest.mark.parametrize("claim", computed_claims())
def test_a_study_expects_what_is_computed(claim: dict[str, Any]) -> None:
    found, published = compute(claim["compute"], claim["given"]), claim["published"]
    rounding = claim["rounding"]
    if not isinstance(rounding, dict):
        rounding = dict.fromkeys(published, rounding)
    same = all(agrees(entry(found, name), published[name], rounding[name]) for name in published)
    assert claim["expected"] == ("reproduced" if same else "contradicted")
