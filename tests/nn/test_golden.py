"""Published figures, and steps worked by hand.

D1 … D4 are the documents of the ledger of claims (D1: "Fund18. 딥러닝 들여다보기"; D3: "NUMPY with
NN - 2"; D4: "Chapter3 2층 신경망 구현"). Figures are as printed there.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnexp.data import DataSettings, load
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.initializers import normal, zero
from nnexp.nn.losses import LOSSES, Loss, cross_entropy, mse, softmax
from nnexp.nn.network import Network
from nnexp.nn.numerical_gradient import numerical_gradient
from nnexp.nn.optimizers import OPTIMIZERS


def network(sizes: list[int], activation: str, loss: Loss) -> Network:
    return Network(sizes, ACTIVATIONS[activation](), loss, 10, np.float64)


def evaluate(loss: Loss, logits: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean loss and its gradient by the logits."""
    gradient = logits.copy()
    value = loss(gradient, targets, len(logits), np.empty_like(logits), np.empty((len(logits), 1)))
    return value, gradient


def descend(net: Network, lr: float) -> None:
    optimizer = OPTIMIZERS["sgd"](net.theta.size, net.theta.dtype, lr)
    optimizer.update(net.grad)
    net.theta += net.grad


# D3.1: the forward pass of 2-3-2-2; each weight matrix is printed as (out, in).
D3_WEIGHTS = (
    [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]],
    [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]],
    [[0.1, 0.2], [0.3, 0.4]],
)
D3_BIASES = ([0.1, 0.2, 0.3], [0.1, 0.2], [0.1, 0.2])


def test_d3_1_forward_pass() -> None:
    x = np.array([[1.0, 0.5]])
    printed = {  # of a network cut after so many layers
        1: [0.3, 0.7, 1.1],  # A1
        2: [0.51615984, 1.21402696],  # A2
        3: [0.31682708, 0.69627909],  # Y
    }
    for layers, logits in printed.items():
        net = network([2, 3, 2, 2][: layers + 1], "sigmoid", mse("mean", "identity"))
        for layer in range(layers):
            net.weights[layer][...] = np.transpose(D3_WEIGHTS[layer])
            net.biases[layer][...] = D3_BIASES[layer]
        np.testing.assert_allclose(net.forward(x), [logits], atol=5e-9)
    hidden = [a[:1] for a in net.activations[:2]]
    np.testing.assert_allclose(hidden[0], [[0.57444252, 0.66818777, 0.75026011]], atol=5e-9)  # Z1
    np.testing.assert_allclose(hidden[1], [[0.62624937, 0.7710107]], atol=5e-9)  # Z2


def test_d3_2_softmax_of_large_numbers() -> None:
    a = np.array([[1010.0, 1000.0, 990.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        naive = np.exp(a) / np.exp(a).sum()
    assert np.isnan(naive).all()
    softmax(a)
    np.testing.assert_allclose(a, [[9.99954600e-01, 4.53978686e-05, 2.06106005e-09]], rtol=5e-9)


def test_d4_1_numerical_gradient() -> None:
    net = network([2, 3], "identity", cross_entropy())
    net.weights[0][...] = [
        [0.47355232, 0.9977393, 0.84668094],
        [0.85557411, 0.03563661, 0.69422093],
    ]
    x, t = np.array([[0.6, 0.9]]), np.array([[0.0, 0.0, 1.0]])
    loss = numerical_gradient(net, x, t, h=1e-4)
    assert net.weight_grads[0][0, 0] == pytest.approx(0.21924763, abs=5e-9)
    assert net.weight_grads[0][1, 2] == pytest.approx(-0.54421514, abs=5e-9)
    numerical = net.grad.copy()
    net.forward(x)
    assert net.compute_loss(t) == loss
    net.backward(x)
    np.testing.assert_allclose(net.grad, numerical, rtol=1e-7)
    # The text says that 1e-4 more of this weight raises the loss by 0.21; it is 1e-4 of that.
    net.weights[0][0, 0] += 1e-4
    net.forward(x)
    assert net.compute_loss(t) - loss == pytest.approx(2.2e-5, abs=5e-7)


def test_d1_1_number_of_parameters() -> None:
    assert network([784, 50, 10], "sigmoid", cross_entropy()).theta.size == 39_760


# D1.9: what the document prints for the first five training images, 5 0 4 1 9.
DIGITS = [5, 0, 4, 1, 9]
D1_A2 = (
    "0.57617306 0.09549575 0.19506925 0.82687073 0.15972011 "
    "-0.46646064 0.61745834 -0.32590132 0.84931212 -0.1926343"
)
D1_Y_HAT = (
    "0.12781473 0.07903608 0.08731113 0.1642319 0.08427867 "
    "0.04505789 0.13320204 0.0518579 0.16795916 0.05925051"
)
D1_DY = """
0.02556295 0.01580722 0.01746223 0.03284638 0.01685573 -0.19098842 0.02664041 0.01037158 0.03359183 0.0118501
-0.17886661 0.01775751 0.02071773 0.03232737 0.01932146 0.01159957 0.02532602 0.00979455 0.02766502 0.01435739
0.02027053 0.01422396 0.0182408 0.03139719 -0.17916 0.01382279 0.02614038 0.01061427 0.03265695 0.01179312
0.02292722 -0.18871641 0.02120927 0.03276009 0.01795365 0.00946891 0.02527426 0.01006138 0.03600152 0.0130601
0.02247166 0.01146637 0.01924101 0.02853385 0.0202779 0.01051587 0.02749549 0.0116548 0.03320333 -0.18486028
"""  # noqa: E501
D1_SECOND = """
0.07191589 0.123028 0.10758628 0.08981385 0.07184183 0.06070567 0.04640776 0.08420231 0.2435316 0.10096682
0.09120963 0.11612731 0.14747251 0.09202405 0.06856537 0.06593896 0.05653369 0.09037115 0.18340103 0.08835631
0.10332082 0.11338826 0.11793069 0.08803409 0.0933749 0.06055154 0.05389562 0.08632054 0.18701224 0.0961713
0.0716857 0.11826469 0.11014391 0.11138356 0.0841159 0.07548642 0.05969606 0.09456766 0.16889834 0.10575776
0.08618546 0.13262451 0.11720037 0.10013702 0.08609813 0.0763453 0.05666968 0.1148439 0.12545938 0.10443624
"""  # noqa: E501
D1_THIRD = """
0.10158565 0.14133342 0.14791629 0.04503541 0.04718296 0.07619274 0.11786718 0.13297718 0.08545397 0.10445521
0.09695031 0.12882074 0.16279856 0.05408894 0.05006218 0.07757848 0.10689444 0.11465536 0.07537554 0.13277546
0.12011263 0.09668407 0.12379674 0.05624938 0.0658509 0.1007685 0.09701313 0.11646215 0.11046866 0.11259384
0.08995183 0.1071262 0.14102325 0.06385283 0.05244699 0.10262098 0.102898 0.12284187 0.09521385 0.1220242
0.09384004 0.10817253 0.12674152 0.0470438 0.06247299 0.11074987 0.1017859 0.11948439 0.11301863 0.11669034
"""  # noqa: E501


def table(text: str) -> np.ndarray:
    return np.array([line.split() for line in text.strip().splitlines()], dtype=np.float64)


ONE_HOT = np.eye(10)[DIGITS]
D1_FIRST = 5 * table(D1_DY) + ONE_HOT  # only its first row is printed: dy = (ŷ - t) / 5


def test_d1_9_softmax_of_a_row() -> None:
    a2 = table(D1_A2)
    softmax(a2)
    np.testing.assert_allclose(a2, table(D1_Y_HAT), atol=1e-8)
    np.testing.assert_allclose(D1_FIRST[:1], a2, atol=5e-8)


@pytest.mark.parametrize(
    ("y_hat", "published"),
    [(D1_FIRST, 2.612935), (table(D1_SECOND), 2.392291), (table(D1_THIRD), 2.402077)],
    ids=["first", "second", "third"],
)
def test_d1_9_cross_entropy_of_the_printed_tables(y_hat: np.ndarray, published: float) -> None:
    # The softmax of log(ŷ) is ŷ again, as far as the printed digits sum to 1.
    loss, gradient = evaluate(cross_entropy(), np.log(y_hat), ONE_HOT)
    assert loss == pytest.approx(published, abs=1e-6)
    np.testing.assert_allclose(gradient, (y_hat - ONE_HOT) / 5, atol=2e-8)


def test_d1_2_untrained_losses_lie_near_ln_10() -> None:
    data = load(DataSettings.from_mapping({"name": "mnist"}), np.float32)
    assert data.train.labels[:5].tolist() == DIGITS
    x = data.train.x[:5].astype(np.float64)
    net = network([784, 50, 10], "sigmoid", cross_entropy())
    losses, outputs = [], []
    for seed in range(300):
        net.initialize(lambda *shape: normal(*shape, std=0.1), zero, seed)
        logits = net.forward(x)
        y_hat = logits.copy()
        softmax(y_hat)
        outputs.append(y_hat)
        losses.append(net.compute_loss(ONE_HOT))
    assert 0 < np.mean(losses) - math.log(10) < 0.2
    assert np.std(losses) < 0.2
    for published in (2.612935, 2.392291, 2.402077):
        assert np.quantile(losses, 0.005) < published < np.quantile(losses, 0.995)
    np.testing.assert_allclose(np.mean(outputs, axis=(0, 1)), 0.1, atol=0.01)


# Two steps of every optimiser on one parameter: lr = 0.1, first g = 2, then g = -1.
BY_HAND = {
    # -0.1 · 2; -0.1 · -1
    "sgd": [-0.2, 0.1],
    # v = -0.2; v = 0.9 · -0.2 + 0.1
    "momentum": [-0.2, -0.08],
    # v = -0.2, 0.9 · -0.2 - 0.2; v = 0.9 · -0.2 + 0.1 = -0.08, 0.9 · -0.08 + 0.1
    "nesterov": [-0.38, 0.028],
    # s = 0.1 · 4 = 0.4, -0.2 / sqrt(0.4); s = 0.9 · 0.4 + 0.1 · 1 = 0.46, 0.1 / sqrt(0.46)
    "rmsprop": [-0.2 / math.sqrt(0.4), 0.1 / math.sqrt(0.46)],
    # s = 4, -0.2 / 2; s = 5, 0.1 / sqrt(5)
    "adagrad": [-0.1, 0.1 / math.sqrt(5)],
    # m = 0.2, m̂ = 0.2 / 0.1 = 2; v = 0.004, v̂ = 0.004 / 0.001 = 4; -0.1 · 2 / 2
    # m = 0.9 · 0.2 - 0.1 = 0.08, m̂ = 0.08 / 0.19; v = 0.999 · 0.004 + 0.001 = 0.004996,
    # v̂ = 0.004996 / 0.001999; -0.1 · m̂ / sqrt(v̂)
    "adam": [-0.1, -0.1 * (0.08 / 0.19) / math.sqrt(0.004996 / 0.001999)],
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_steps_by_hand(name: str) -> None:
    optimizer = OPTIMIZERS[name](1, np.dtype(np.float64), 0.1)
    changes = []
    for g in (2.0, -1.0):
        grad = np.array([g])
        optimizer.update(grad)
        changes.append(grad[0])
    assert changes == pytest.approx(BY_HAND[name], rel=1e-7)  # epsilon is 1e-8 of the root


# The rules as textbooks write them, on whole vectors: state in, change and new state out.


def textbook_momentum(g, lr, t, v=0.0, beta=0.9):
    v = beta * v - lr * g
    return v, (v,)


def textbook_nesterov(g, lr, t, v=0.0, beta=0.9):
    v = beta * v - lr * g
    return beta * v - lr * g, (v,)


def textbook_rmsprop(g, lr, t, s=0.0, rho=0.9):
    s = rho * s + (1 - rho) * g**2
    return -lr * g / (np.sqrt(s) + 1e-8), (s,)


def textbook_adagrad(g, lr, t, s=0.0):
    s = s + g**2
    return -lr * g / (np.sqrt(s) + 1e-8), (s,)


def textbook_adam(g, lr, t, m=0.0, v=0.0, beta1=0.9, beta2=0.999):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return -lr * m_hat / (np.sqrt(v_hat) + 1e-8), (m, v)


TEXTBOOK = {
    "sgd": lambda g, lr, t: (-lr * g, ()),
    "momentum": textbook_momentum,
    "nesterov": textbook_nesterov,
    "rmsprop": textbook_rmsprop,
    "adagrad": textbook_adagrad,
    "adam": textbook_adam,
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_steps_against_the_textbook_rule(name: str, dtype: str) -> None:
    size = 40_000  # more than two of the blocks that the adaptive ones work through
    rng = np.random.default_rng(0)
    optimizer, state = OPTIMIZERS[name](size, np.dtype(dtype), 0.05), ()
    for t in range(1, 21):
        g = rng.standard_normal(size).astype(dtype)
        wanted, state = TEXTBOOK[name](g.astype(np.float64), 0.05, t, *state)
        optimizer.update(g)
        assert g.dtype == dtype
        tolerance = 1e-12 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(g, wanted, rtol=tolerance, atol=tolerance * 1e-2)


def test_nesterov_is_the_gradient_at_the_point_ahead() -> None:
    # Sutskever et al. 2013: v ← μv - lr·∇f(θ + μv), θ ← θ + v. Ours keeps y = θ + μv instead.
    curvature, lr, mu = np.array([1.0, 10.0, 0.1]), 0.05, 0.9
    theta, v = np.array([1.0, -2.0, 3.0]), np.zeros(3)
    y = theta.copy()
    optimizer = OPTIMIZERS["nesterov"](3, np.dtype(np.float64), lr, momentum=mu)
    for _ in range(30):
        v = mu * v - lr * curvature * (theta + mu * v)
        theta = theta + v
        grad = curvature * y
        optimizer.update(grad)
        y += grad
        np.testing.assert_allclose(y, theta + mu * v, rtol=1e-12)


def test_a_relu_network_by_hand() -> None:
    net = network([2, 2, 1], "relu", mse("sum", "identity"))
    net.weights[0][...] = [[1, -1], [1, 1]]
    net.biases[0][...] = [0, -2]
    net.weights[1][...] = [[2], [5]]
    net.biases[1][...] = [1]
    x, t = np.array([[1.0, 2.0]]), np.array([[5.0]])
    # z = (1 + 2 + 0, -1 + 2 - 2) = (3, -1), a = (3, 0), o = 2·3 + 5·0 + 1 = 7
    assert net.forward(x).tolist() == [[7]]
    # loss = (7 - 5)²/2 = 2; error of the output 2: dW2 = a·2 = (6, 0), db2 = 2
    assert net.compute_loss(t) == 2
    net.backward(x)
    assert net.weight_grads[1].tolist() == [[6], [0]]
    assert net.bias_grads[1].tolist() == [2]
    # below: (2·2, 2·5) = (4, 10), times relu' = (1, 0): (4, 0); dW1 = xᵀ·(4, 0), db1 = (4, 0)
    assert net.weight_grads[0].tolist() == [[4, 0], [8, 0]]
    assert net.bias_grads[0].tolist() == [4, 0]
    descend(net, lr=0.1)
    # W1 = ((0.6, -1), (0.2, 1)), b1 = (-0.4, -2), W2 = (1.4, 5), b2 = 0.8
    # z = (0.6 + 0.4 - 0.4, -1 + 2 - 2) = (0.6, -1), o = 1.4·0.6 + 0.8 = 1.64
    np.testing.assert_allclose(net.forward(x), [[1.64]])


def test_a_sigmoid_network_with_softmax_by_hand() -> None:
    ln3 = math.log(3)
    net = network([1, 1, 2], "sigmoid", cross_entropy())
    net.weights[1][...] = [[2 * ln3, 0]]  # all else is 0
    x, t = np.array([[2.0]]), np.array([[0.0, 1.0]])
    # a = 1/2, logits (ln 3, 0), softmax (3/4, 1/4), loss = -ln(1/4); the error is (3/4, -3/4)
    np.testing.assert_allclose(net.forward(x), [[ln3, 0]])
    assert net.compute_loss(t) == pytest.approx(math.log(4))
    net.backward(x)
    np.testing.assert_allclose(net.weight_grads[1], [[3 / 8, -3 / 8]])
    np.testing.assert_allclose(net.bias_grads[1], [3 / 4, -3 / 4])
    # below: 3/4 · 2 ln 3, times a(1 - a) = 1/4: (3/8) ln 3; dW1 = 2 · that
    np.testing.assert_allclose(net.weight_grads[0], [[3 / 4 * ln3]])
    np.testing.assert_allclose(net.bias_grads[0], [3 / 8 * ln3])
    descend(net, lr=4)
    # W1 = -3 ln 3, b1 = -1.5 ln 3: z = -7.5 ln 3, a = 1 / (1 + 3^7.5)
    # W2 = (2 ln 3 - 1.5, 1.5), b2 = (-3, 3)
    a = 1 / (1 + 3**7.5)
    np.testing.assert_allclose(net.forward(x), [[a * (2 * ln3 - 1.5) - 3, a * 1.5 + 3]])


@pytest.mark.parametrize(
    ("name", "parameters", "loss", "gradient"),
    [
        # logits (0, ln 3): softmax (1/4, 3/4), t = (1, 0): -ln(1/4), (1/4 - 1, 3/4)
        ("cross_entropy", {}, math.log(4), [-3 / 4, 3 / 4]),
        # sigmoid (1/2, 3/4), t = (1, 0): ln 2 + ln 4 = ln 8, (1/2 - 1, 3/4)
        ("binary_cross_entropy", {"reduction": "sum"}, math.log(8), [-1 / 2, 3 / 4]),
        ("binary_cross_entropy", {}, math.log(8) / 2, [-1 / 4, 3 / 8]),
        # (1/4 + 9/16)/2 = 13/32; (o - t)·o(1 - o): (-1/2 · 1/4, 3/4 · 3/16)
        ("mse", {"reduction": "sum", "output": "sigmoid"}, 13 / 32, [-1 / 8, 9 / 64]),
        ("mse", {"output": "sigmoid"}, 13 / 32, [-1 / 8, 9 / 64]),  # with 2 outputs the same
        # (9/16 + 9/16)/2; d = (-3/4, 3/4), Σ d·p = 3/8: p·(d - 3/8) = (1/4 · -9/8, 3/4 · 3/8)
        ("mse", {"reduction": "sum", "output": "softmax"}, 9 / 16, [-9 / 32, 9 / 32]),
        # (1 + ln²3)/2; (0 - 1, ln 3 - 0)
        (
            "mse",
            {"reduction": "sum", "output": "identity"},
            (1 + math.log(3) ** 2) / 2,
            [-1, math.log(3)],
        ),
    ],
)
def test_losses_by_hand(
    name: str, parameters: dict[str, str], loss: float, gradient: list[float]
) -> None:
    logits, targets = np.array([[0.0, math.log(3)]]), np.array([[1.0, 0.0]])
    value, slope = evaluate(LOSSES[name](**parameters), logits, targets)
    assert value == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(slope, [gradient], rtol=1e-14)
