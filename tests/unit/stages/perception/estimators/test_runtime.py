import sys
from collections.abc import Callable

import numpy as np
import pytest

from fergi.errors import MissingExtraError, UsageError
from fergi.stages.perception.estimators.networks.layout import Layout, iresnet_layout
from fergi.stages.perception.estimators.protocol import Network
from fergi.stages.perception.estimators.runtime import Definition, Placement, network

DEPTH, OUTPUTS = 18, 4


def _graph(tensors: dict[str, np.ndarray]) -> bytes:
    from fergi.stages.perception.estimators.networks.graph import iresnet_graph

    return iresnet_graph(tensors, DEPTH)


def _module() -> object:
    from fergi.stages.perception.estimators.networks.iresnet import IResNet

    return IResNet(DEPTH, OUTPUTS)


@pytest.fixture
def build(
    draw_weights: Callable[[Layout], dict[str, np.ndarray]],
) -> Callable[[Placement], Network]:
    """Builds a small network."""
    tensors = draw_weights(iresnet_layout(DEPTH, OUTPUTS))

    def built(placement: Placement) -> Network:
        return network(Definition(_graph, _module), tensors, placement)

    return built


def _hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)


def test_without_onnx_runtime_torch_gives_the_same(
    build: Callable[[Placement], Network], pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = build(Placement())(pictures)
    _hide(monkeypatch, "onnxruntime")
    by_torch = build(Placement())(pictures)
    assert not np.array_equal(by_torch, compiled)  # else torch was not used
    assert by_torch == pytest.approx(compiled, rel=1e-4, abs=1e-4)  # single precision


def test_without_any_runtime_the_message_names_the_extra(
    build: Callable[[Placement], Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(
        sys.modules, "fergi.stages.perception.estimators.networks.iresnet", raising=False
    )
    _hide(monkeypatch, "onnxruntime", "torch")
    with pytest.raises(MissingExtraError, match=r"fergi\[onnx\]"):
        build(Placement())


def test_a_device_that_is_not_there_is_refused(build: Callable[[Placement], Network]) -> None:
    with pytest.raises(UsageError, match="'warp-drive' here; choose cpu"):
        build(Placement(device="warp-drive"))


def test_half_precision_is_nearly_the_same_and_not_the_same(
    build: Callable[[Placement], Network], pictures: np.ndarray
) -> None:
    exact, half = build(Placement())(pictures), build(Placement(is_half=True))(pictures)
    error = np.abs(half - exact).max() / np.abs(exact).max()
    # bfloat16 keeps 8 bits: 0.4 % a layer, which partly cancels over 37 of them.
    assert 1e-5 < error < 0.05


@pytest.mark.parametrize("count", [0, 1, 9])
def test_any_number_of_pictures_gives_what_each_gives_alone(
    build: Callable[[Placement], Network], count: int
) -> None:
    pictures = np.random.default_rng(1).random((count, 3, 112, 112)).astype(np.float32)
    evaluate = build(Placement())
    numbers = evaluate(pictures)
    assert numbers.shape == (count, OUTPUTS)
    for picture, row in zip(pictures, numbers, strict=True):
        # Single precision; blocks of other sizes are summed in another order.
        assert evaluate(picture[np.newaxis])[0] == pytest.approx(row, rel=1e-5, abs=1e-5)
