"""The trained network as Kaldi's `am/final.mdl`."""

from pathlib import Path

import numpy as np
from torch import nn

from model_recipe.kaldi_format import (
    Affine,
    Nnet,
    Nonlinear,
    Pass,
    Stream,
    write_transition_model,
)
from model_recipe.network import SUBSAMPLING, Network
from model_recipe.pronunciation import OUTPUTS, PHONE_ID, TRANSITION_TUPLES


def _array(parameter: object) -> np.ndarray:
    return parameter.detach().numpy().astype(np.float64)  # type: ignore[attr-defined]


def _with_norm(weights: np.ndarray, bias: np.ndarray, norm: nn.BatchNorm1d) -> Affine:
    """An affine map followed by batch normalisation, as one affine map."""
    scale = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
    return Affine(
        weights * scale[:, None], (bias - _array(norm.running_mean)) * scale + _array(norm.bias)
    )


def to_nnet(network: Network) -> Nnet:
    """The network in nnet3's components; feature and batch normalisation become affine."""
    shape = network.shape
    nnet = Nnet([f"input-node name=input dim={shape.dimensions}"])
    frames = range(-shape.splice, shape.splice + 1)
    deviation = np.tile(_array(network.deviation), len(frames))
    mean = np.tile(_array(network.mean), len(frames))
    weights = _array(network.input.weight) / deviation[None]
    bias = _array(network.input.bias) - weights @ mean
    spliced = ", ".join(f"Offset(input, {offset})" if offset else "input" for offset in frames)
    affine = _with_norm(weights, bias, network.input_norm)
    before = nnet.add("input.affine", affine, f"Append({spliced})")
    before = nnet.add("input.relu", Nonlinear("RectifiedLinearComponent", shape.width), before)
    for number, layer in enumerate(network.layers, start=1):
        past, future = -SUBSAMPLING * layer.left, SUBSAMPLING * layer.right
        name = f"layer{number}"
        down = Affine(_array(layer.down.weight), np.zeros(shape.bottleneck))
        small = nnet.add(f"{name}.linear", down, f"Append(Offset({before}, {past}), {before})")
        up = _with_norm(_array(layer.up.weight), _array(layer.up.bias), layer.norm)
        wide = nnet.add(f"{name}.affine", up, f"Append({small}, Offset({small}, {future}))")
        wide = nnet.add(f"{name}.relu", Nonlinear("RectifiedLinearComponent", shape.width), wide)
        before = nnet.add(f"{name}.sum", Pass(shape.width), f"Sum({wide}, {before})")
    prefinal = Affine(_array(network.prefinal.weight), np.zeros(shape.prefinal))
    before = nnet.add("prefinal.linear", prefinal, before)
    output = Affine(_array(network.output.weight), _array(network.output.bias))
    before = nnet.add("output.affine", output, before)
    before = nnet.add("output.log-softmax", Nonlinear("LogSoftmaxComponent", OUTPUTS), before)
    nnet.lines.append(f"output-node name=output input={before} objective=linear")
    return nnet


def softened_priors(log_priors: np.ndarray, power: float, floor: float) -> np.ndarray:
    """Priors that the decoder divides by.

    Dividing by the raw shares lets rare rimes swallow whole utterances, as the network gives them
    a little probability everywhere; a power below one and a floor tame that.
    """
    priors = np.maximum(np.exp(log_priors), floor) ** power
    return np.asarray(priors / priors.sum())


def write_model(path: Path, network: Network, priors: np.ndarray) -> None:
    """Write `final.mdl`."""
    stream = Stream()
    write_transition_model(stream, sorted(PHONE_ID.values()), TRANSITION_TUPLES)
    to_nnet(network).write(stream, priors)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream.data)
