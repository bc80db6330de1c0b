from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from fergi.errors import UsageError, WeightsError
from fergi.records.action_units import ACTION_UNITS
from fergi.records.face import Face, VideoFrame
from fergi.records.scale import Scale
from fergi.stages.perception.estimators.fergi_ir50 import FergiIr50, load
from fergi.stages.perception.estimators.ir50_files import intensity_network
from fergi.stages.perception.estimators.runtime import Placement
from fergi.training.action_units.networks import ActionUnitNetwork, initial_network
from fergi.training.action_units.origin import Origin
from fergi.training.action_units.recipe import Recipe
from fergi.training.action_units.trained import write_trained

ROWS = [unit - 1 for unit in ACTION_UNITS]
DEPTH, WIDTH = 34, 2


def _network(recipe: Recipe) -> ActionUnitNetwork:
    """A network whose running statistics are not those that it was drawn with."""
    network = initial_network(recipe).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(4, 3, 112, 112))
    return network.eval()


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "calibrated"])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ActionUnitNetwork, Path]:
    torch.set_num_threads(1)
    recipe = Recipe(depth=DEPTH, width=WIDTH, is_calibrated=request.param)
    network = _network(recipe)
    folder = tmp_path_factory.mktemp("trained")
    origin = Origin(recipe, {"invented": 9}, ("a",), (), "0" * 64, "1" * 64, "MIT")
    write_trained(folder, network, origin, None)
    return network, folder


def _expected(network: ActionUnitNetwork, pictures: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        given, resting = torch.from_numpy(pictures), torch.from_numpy(neutral)
        return network(given, resting.expand(len(given), -1, -1, -1)).numpy()[:, ROWS]


@pytest.mark.parametrize("ending", ["safetensors", "onnx"])
@pytest.mark.parametrize("is_torch", [False, True], ids=["onnxruntime", "torch"])
def test_each_file_gives_the_outputs_of_the_network(
    trained: tuple[ActionUnitNetwork, Path],
    ending: str,
    is_torch: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, folder = trained
    if is_torch and ending == "onnx":
        pytest.skip("ONNX models run on ONNX Runtime alone")
    if is_torch:
        monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    stream = np.random.default_rng(0)
    pictures, neutral = (stream.random((count, 3, 112, 112), dtype=np.float32) for count in (6, 1))
    found = intensity_network(folder / f"network.{ending}", Placement())
    # The promise; single precision does better.
    if found.features is None:
        with torch.inference_mode():
            expected = network(torch.from_numpy(pictures)).numpy()[:, ROWS]
        np.testing.assert_allclose(found.intensities(pictures), expected, atol=1e-4)
    else:
        differences = found.features(pictures) - found.features(neutral)
        expected = _expected(network, pictures, neutral)
        np.testing.assert_allclose(found.intensities(differences), expected, atol=1e-4)
    assert found.licence == "MIT"


@pytest.mark.parametrize("ending", ["safetensors", "onnx"])
def test_the_estimator_compares_with_a_neutral_face_if_it_was_trained_so(
    trained: tuple[ActionUnitNetwork, Path], ending: str
) -> None:
    _, folder = trained
    estimator = load(folder / f"network.{ending}")
    stream = np.random.default_rng(1)
    mesh = np.column_stack([stream.random((478, 2)) * 80 + 40, np.zeros(478)])
    frames = [
        VideoFrame(float(at), stream.integers(0, 256, (160, 160, 3), dtype=np.uint8))
        for at in range(3)
    ]
    box = np.array([40.0, 40.0, 80.0, 80.0])
    faces = [Face(box, 0.9, mesh, np.zeros(52), np.eye(3)) for _ in frames]
    observed = estimator.observations(frames, faces)
    assert observed.shape == (3, estimator.observed)
    units = estimator.intensities(observed, observed[0] if estimator.needs_neutral else None)
    assert units.shape == (3, len(ACTION_UNITS))
    if estimator.needs_neutral:
        # A face compared with itself: whatever the face, the same.
        same = [estimator.intensities(observed[at : at + 1], observed[at]) for at in range(3)]
        np.testing.assert_allclose(same[0], same[1], atol=1e-6)
        assert np.abs(units[1] - units[0]).max() > 1e-4
    _require_attributes(estimator)


def _require_attributes(estimator: FergiIr50) -> None:
    assert estimator.licence == "MIT"
    assert estimator.scale is Scale.PROXY  # it learned from invented faces
    assert len(estimator.sha256) == 64
    features = 4 * WIDTH * 14 * 14  # what enters the last stage
    assert estimator.observed == (features if estimator.needs_neutral else len(ACTION_UNITS))


def test_no_faces_give_no_observations_of_the_right_width(
    trained: tuple[ActionUnitNetwork, Path],
) -> None:
    estimator = load(trained[1] / "network.safetensors")
    assert estimator.observations([], []).shape == (0, estimator.observed)


def test_what_is_no_onnx_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    for content in (b"nonsense", _other_model()):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"network\.onnx: "):
            intensity_network(path, Placement())
    path.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        intensity_network(path, Placement())


def _other_model() -> bytes:
    values = [onnx.helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "other", values[:1], values[1:])
    return onnx.helper.make_model(graph).SerializeToString()


def test_an_onnx_model_stays_on_the_processor(trained: tuple[ActionUnitNetwork, Path]) -> None:
    with pytest.raises(UsageError, match="runs on the processor only"):
        intensity_network(trained[1] / "network.onnx", Placement("cuda"))


@pytest.mark.parametrize("spoil", [lambda tensors: tensors.pop("bn1.weight"), None])
def test_a_file_of_another_network_is_refused(
    trained: tuple[ActionUnitNetwork, Path], tmp_path: Path, spoil: Callable[[dict], object] | None
) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(trained[1] / "network.safetensors")
    if spoil:
        spoil(tensors)
    else:
        tensors["fc.weight"] = tensors["fc.weight"][:100]
    save_file(tensors, tmp_path / "spoilt.safetensors")
    with pytest.raises(WeightsError, match="is of another network"):
        intensity_network(tmp_path / "spoilt.safetensors", Placement())
