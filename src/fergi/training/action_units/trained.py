"""A trained network as files: safetensors, ONNX, and a card that says where it comes from."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
import torch

from fergi.datasets.invented_faces import INVENTED
from fergi.errors import TrainingError, WeightsError
from fergi.files import replacing
from fergi.provenance import fergi_version, write_provenance
from fergi.records.scale import Scale
from fergi.stages.perception.estimators.networks.graph import iresnet_graph, siamese_graph
from fergi.stages.perception.estimators.networks.layout import (
    BATCH_COUNT,
    iresnet_depth_and_width,
    iresnet_layout,
)
from fergi.training.action_units.card import model_card
from fergi.training.action_units.losses import OUTPUTS
from fergi.training.action_units.networks import ActionUnitNetwork
from fergi.training.action_units.origin import Origin
from fergi.training.action_units.start import KIND
from fergi.weights.store import ModelFile, model_file, write_model

NETWORK_FILE, ONNX_FILE, CARD_FILE = "network.safetensors", "network.onnx", "network.md"


@dataclass(frozen=True, slots=True, eq=False)
class TrainedNetwork:
    """A network and what its file says of it.

    Attributes:
        network: Ready to be evaluated.
        sha256: Of its file.
        is_calibrated: Whether it compares with neutral pictures.
        people: Whom it has seen in training.
        licence: What it may be used for.
    """

    network: ActionUnitNetwork
    sha256: str
    is_calibrated: bool
    people: frozenset[str]
    licence: str


def write_trained(
    folder: Path, network: ActionUnitNetwork, origin: Origin, agreement: pl.DataFrame | None
) -> None:
    """Write a network in both formats, its card and its provenance.

    The safetensors file comes last: where it is, the others are.

    Args:
        folder: Takes the files.
        network: Trained.
        origin: Where it comes from.
        agreement: How well it does on people that it has not seen; None if that was not
            measured.

    Raises:
        OutputError: If a file cannot be written.
    """
    tensors = {
        name: tensor.detach().float().cpu().numpy()
        for name, tensor in network.state_dict().items()
        if not name.endswith(BATCH_COUNT)
    }
    recipe = origin.recipe
    build = siamese_graph if recipe.is_calibrated else iresnet_graph
    with replacing(folder / ONNX_FILE) as file:
        file.write(_described(build(tensors, recipe.depth), origin))
    with replacing(folder / CARD_FILE) as file:
        file.write(model_card(origin, agreement).encode())
    write_provenance(
        folder / NETWORK_FILE,
        settings=asdict(recipe),
        models={origin.start: origin.start_sha256} if origin.start and origin.start_sha256 else {},
        input_fingerprint=origin.faces,
        summary=asdict(origin),
    )
    write_model(folder / NETWORK_FILE, tensors, _description(origin))


def read_trained(path: Path) -> TrainedNetwork:
    """Read a network that was trained here.

    Args:
        path: Its .safetensors file.

    Raises:
        WeightsError: If it is not there, or is no such network.
    """
    model = model_file(path)
    shapes = {name: tuple(array.shape) for name, array in model.tensors.items()}
    found = iresnet_depth_and_width(shapes)
    if model.metadata.get("kind") != KIND or found is None or not _is_whole(shapes, found):
        raise WeightsError(
            f"{path}: is no network of fergi au train; give the {NETWORK_FILE} that it wrote"
        )
    depth, width = found
    network = ActionUnitNetwork(depth, OUTPUTS, width)
    tensors = {name: torch.tensor(array) for name, array in model.tensors.items()}
    network.load_state_dict(network.state_dict() | tensors)
    return TrainedNetwork(
        network=network.eval(),
        sha256=model.sha256,
        is_calibrated=is_calibrated(model),
        people=frozenset(json.loads(model.metadata["people"])),
        licence=model.metadata["licence"],
    )


def require_origin(path: Path, origin: Origin) -> None:
    """Refuse to take a network for one that comes from elsewhere.

    Args:
        path: The network's file.
        origin: Where it has to come from.

    Raises:
        WeightsError: If it cannot be read.
        TrainingError: If it was trained on other pictures, or with other settings, or says that
            it is under another licence.
    """
    facts = model_file(path).metadata
    if facts.get("training") != origin.training:
        raise TrainingError(
            f"{path}: is of another training (other pictures or settings); choose another folder, "
            "or remove it to train anew"
        )
    if facts.get("licence") != origin.licence:
        raise TrainingError(
            f"{path}: says that its licence is '{facts.get('licence')}', and now it would be "
            f"'{origin.licence}'; give the --start-licence that it was trained with, choose "
            "another folder, or remove it to train anew"
        )


def is_calibrated(model: ModelFile) -> bool:
    """Tell whether a network compares with neutral pictures."""
    return model.metadata.get("is_calibrated") == "yes"


def _is_whole(shapes: dict[str, tuple[int, ...]], found: tuple[int, int]) -> bool:
    return shapes == iresnet_layout(found[0], OUTPUTS, found[1])


def _description(origin: Origin) -> dict[str, str]:
    """Say of a network, in its own file, what those who load it must know."""
    return {
        "kind": KIND,
        "is_calibrated": "yes" if origin.recipe.is_calibrated else "no",
        "licence": origin.licence,
        "scale": _scale(origin).value,
        "datasets": json.dumps(origin.datasets),
        "people": json.dumps(origin.seen),
        "held_out": json.dumps(origin.held_out),
        "faces": origin.faces,
        "training": origin.training,
        "start": origin.start or "",
        "start_datasets": json.dumps(origin.start_datasets),
        "start_is_foreign": "yes" if origin.start_is_foreign else "no",
        "fergi": fergi_version(),
    }


def _scale(origin: Origin) -> Scale:
    """Tell what the numbers mean: without a coder's labels they are not validated."""
    return Scale.PROXY if set(origin.datasets) <= {INVENTED} else Scale.INTENSITY


def _described(model: bytes, origin: Origin) -> bytes:
    """Put the same into an ONNX model."""
    import onnx  # noqa: PLC0415 (an extra)

    found = onnx.load_from_string(model)
    onnx.helper.set_model_props(found, _description(origin))
    return bytes(found.SerializeToString())
