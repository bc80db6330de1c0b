import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given
from hypothesis import strategies as st

from fergi.errors import MissingExtraError, WeightsError
from fergi.stages.perception.estimators.checkpoint import (
    Checkpoint,
    read_checkpoint,
    require_layout,
)

LAYOUT = {"fc.weight": (2, 3), "fc.bias": (2,)}


@pytest.fixture
def tensors() -> dict[str, np.ndarray]:
    return {
        "fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fc.bias": np.ones(2, dtype=np.float32),
        "bn.num_batches_tracked": np.array(7),
    }


def _torch(tensors: dict[str, np.ndarray], prefix: str = "") -> dict[str, torch.Tensor]:
    return {prefix + name: torch.tensor(array) for name, array in tensors.items()}


def _as_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    path.write_bytes(safetensors.numpy.save(tensors))


def _as_state_dict(path: Path, tensors: dict[str, np.ndarray]) -> None:
    torch.save(_torch(tensors), path)


def _as_training_left_it(path: Path, tensors: dict[str, np.ndarray]) -> None:
    state = _torch(tensors, prefix="module.")
    torch.save({"epoch": 3, "best": 0.5, "state_dict": state, "optimizer": {"lr": 1e-3}}, path)


def _in_half_precision(path: Path, tensors: dict[str, np.ndarray]) -> None:
    torch.save({name: tensor.half() for name, tensor in _torch(tensors).items()}, path)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("weights.safetensors", _as_safetensors),
        ("weights.pth", _as_state_dict),
        ("weights.pth.tar", _as_training_left_it),
        ("weights.pt", _in_half_precision),
    ],
)
def test_tensors_are_read_from_every_form_of_file(
    name: str, save: Callable[..., None], tensors: dict[str, np.ndarray], tmp_path: Path
) -> None:
    path = tmp_path / name
    save(path, tensors)
    checkpoint = read_checkpoint(path)
    assert set(checkpoint.tensors) == {"fc.weight", "fc.bias"}
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    for key, array in checkpoint.tensors.items():
        assert array.dtype == np.float32
        assert np.array_equal(array, tensors[key])
    require_layout(checkpoint, LAYOUT, "a small network")


class _Trap:
    """Runs code when it is unpickled carelessly."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (Path.touch, (Path(self.target),))  # type: ignore[attr-defined]

    target = "sprung"


def test_a_file_that_would_run_code_is_refused_and_runs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"fc.weight": _Trap()}, tmp_path / "trap.pth")
    with pytest.raises(WeightsError, match=r"trap.pth: holds more than tensors"):
        read_checkpoint(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize(
    ("name", "save"), [("weights.pth", _as_state_dict), ("weights.safetensors", _as_safetensors)]
)
def test_a_truncated_file_is_refused(
    name: str,
    save: Callable[..., None],
    share: float,
    tensors: dict[str, np.ndarray],
    tmp_path: Path,
) -> None:
    path = tmp_path / name
    save(path, tensors)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match=name):
        read_checkpoint(path)


@pytest.mark.parametrize("start", [b"", b"PK\x03\x04", b"\x80", b"\x80\x02"])
@given(rest=st.binary(max_size=60))
def test_whatever_else_lies_in_a_file_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "weights.pth"
    path.write_bytes(start + rest)
    with pytest.raises(WeightsError, match=r"weights\.pth: "):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [([1, 2], "holds no named tensors"), ({}, "holds no named"), ({"lr": 1.0}, "lr is no tensor")],
)
def test_a_file_without_tensors_is_refused(content: object, reason: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=reason):
        read_checkpoint(tmp_path / "weights.pth")


@pytest.mark.parametrize("name", ["absent.pth", "absent.safetensors"])
def test_an_absent_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=rf"{name}: cannot be read.*check the path"):
        read_checkpoint(tmp_path / name)


def test_without_torch_a_file_of_torch_names_the_extra_and_the_other_form(
    tensors: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    _as_state_dict(tmp_path / "weights.pth", tensors)
    _as_safetensors(tmp_path / "weights.safetensors", tensors)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"unless saved as .safetensors.*fergi\[train\]"):
        read_checkpoint(tmp_path / "weights.pth")
    assert set(read_checkpoint(tmp_path / "weights.safetensors").tensors) == set(LAYOUT)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fc.bias": None}, r"it lacks fc.bias\. Give a small network"),
        ({"head": np.ones(3)}, "it has the unknown head"),
        ({"head": np.ones(3), "tail": np.ones(3)}, "it has the unknown head and 1 more"),
        ({"fc.weight": np.ones((4, 3))}, "fc.weight is 4 × 3 instead of 2 × 3"),
        ({"fc.bias": np.array([1, np.nan])}, "fc.bias holds numbers that are not finite"),
    ],
)
def test_weights_of_another_network_are_refused(
    changes: dict[str, np.ndarray | None], reason: str, tensors: dict[str, np.ndarray]
) -> None:
    named = {name: tensors[name] for name in LAYOUT} | changes
    kept = {name: array for name, array in named.items() if array is not None}
    with pytest.raises(WeightsError, match=reason):
        require_layout(Checkpoint("weights.pth", "0" * 64, kept), LAYOUT, "a small network")
