"""Everything that a training needs to go on where it was stopped, in one file without code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from fergi.errors import TrainingError
from fergi.files import replacing

_DESCRIPTION = "fergi"
_NETWORK, _OPTIMISER = "network.", "optimiser."


def write_checkpoint(
    path: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    state: Mapping[str, Any],
) -> None:
    """Write weights, moments and a state, whole or not at all.

    Args:
        path: The file; an earlier one stays as it was until this one is complete.
        network: Its weights and running statistics are kept.
        optimiser: Its moments are kept.
        state: What else is needed, as JSON holds it.

    Raises:
        OutputError: If it cannot be written.
    """
    tensors = {_NETWORK + name: tensor for name, tensor in network.state_dict().items()}
    tensors |= {_OPTIMISER + name: tensor for name, tensor in _moments(network, optimiser).items()}
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as file:
        file.write(safetensors.torch.save(contiguous, {_DESCRIPTION: json.dumps(dict(state))}))


def read_checkpoint(
    path: Path, network: nn.Module, optimiser: torch.optim.Optimizer
) -> dict[str, Any]:
    """Put a training where a checkpoint left it.

    Returns:
        The state that was kept with it.

    Raises:
        TrainingError: If the file cannot be read, or is of another network.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            state: dict[str, Any] = json.loads(file.metadata()[_DESCRIPTION])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network.load_state_dict(_under(_NETWORK, tensors))
        _restore_moments(network, optimiser, _under(_OPTIMISER, tensors))
    except (
        OSError,
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        safetensors.SafetensorError,
    ) as error:
        raise TrainingError(
            f"{path}: cannot be gone on from ({error}); remove it to begin anew"
        ) from error
    return state


def checkpoint_state(path: Path) -> dict[str, Any] | None:
    """Read only the state of a checkpoint; None where there is none.

    Raises:
        TrainingError: If the file is no checkpoint.
    """
    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, "pt") as file:
            return dict(json.loads(file.metadata()[_DESCRIPTION]))
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise TrainingError(
            f"{path}: is no checkpoint ({error}); remove it to begin anew"
        ) from error


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _moments(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{name}/{moment}": value
        for name, parameter in network.named_parameters()
        for moment, value in optimiser.state.get(parameter, {}).items()
    }


def _restore_moments(
    network: nn.Module, optimiser: torch.optim.Optimizer, moments: Mapping[str, Tensor]
) -> None:
    """Give each parameter its moments back, through the numbers that the optimiser knows."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    parameter_of = dict(network.named_parameters())
    wanted: dict[str, dict[str, Tensor]] = {}
    for key, value in moments.items():
        name, _, moment = key.rpartition("/")
        parameter = parameter_of[name]
        if value.shape == parameter.shape:  # laid out in memory as fused optimisers need it
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)  # noqa: PLW2901
        wanted.setdefault(name, {})[moment] = value
    record = optimiser.state_dict()
    parameters = [names[one] for group in optimiser.param_groups for one in group["params"]]
    record["state"] = {
        number: wanted[name] for number, name in enumerate(parameters) if name in wanted
    }
    optimiser.load_state_dict(record)
