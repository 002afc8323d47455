"""The acoustic network: a factored time-delay network (Kaldi's TDNN-F without the constraint).

Input is one frame of features per 10 ms, output one frame of log-likelihoods per 30 ms.  Deeper
layers look only at every third frame, so their offsets are counted in output frames.  Offsets to
the right are smaller than to the left: every frame of right context delays the partial results.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from model_recipe.pronunciation import OUTPUTS

SUBSAMPLING = 3
TONE_CLASSES = 7  # no tone, and the six tones


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network."""

    dimensions: int = 43
    width: int = 448
    bottleneck: int = 96
    prefinal: int = 224
    splice: int = 4  # input frames on either side
    left: tuple[int, ...] = (1, 1, 1, 2, 2, 3, 3, 3)
    right: tuple[int, ...] = (1, 1, 1, 1, 1, 2, 2, 2)

    @property
    def left_context(self) -> int:
        """Input frames needed before a frame."""
        return self.splice + SUBSAMPLING * sum(self.left)

    @property
    def right_context(self) -> int:
        """Input frames needed after a frame."""
        return self.splice + SUBSAMPLING * sum(self.right)


class Layer(nn.Module):
    """Bottleneck over the past, expansion over the future, skip sum."""

    def __init__(self, shape: Shape, left: int, right: int) -> None:
        super().__init__()
        self.left, self.right = left, right
        self.down = nn.Linear(2 * shape.width, shape.bottleneck, bias=False)
        self.up = nn.Linear(2 * shape.bottleneck, shape.width)
        self.norm = nn.BatchNorm1d(shape.width)

    def forward(self, hidden: torch.Tensor, dropout: float) -> torch.Tensor:
        past, now = hidden[:, : -self.left], hidden[:, self.left :]
        small = self.down(torch.cat([past, now], 2))
        wide = self.up(torch.cat([small[:, : -self.right], small[:, self.right :]], 2))
        wide = functional.relu(self.norm(wide.flatten(0, 1)).view_as(wide))
        if self.training and dropout > 0:
            wide = functional.dropout(wide, dropout)
        return wide + hidden[:, self.left : -self.right]


class Network(nn.Module):
    """`forward` gives output scores, and tone scores that only training uses."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("mean", torch.zeros(shape.dimensions))
        self.register_buffer("deviation", torch.ones(shape.dimensions))
        self.input = nn.Linear(shape.dimensions * (2 * shape.splice + 1), shape.width)
        self.input_norm = nn.BatchNorm1d(shape.width)
        self.layers = nn.ModuleList(
            Layer(shape, left, right) for left, right in zip(shape.left, shape.right, strict=True)
        )
        self.prefinal = nn.Linear(shape.width, shape.prefinal, bias=False)
        self.output = nn.Linear(shape.prefinal, OUTPUTS)
        self.tone = nn.Linear(shape.prefinal, TONE_CLASSES)
        self.dropout = 0.0

    def forward(self, cepstra: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[batch, context + frames, dimensions] to [batch, ceil(frames / 3), classes] twice."""
        scaled = (cepstra - self.mean) / self.deviation
        spliced = scaled.unfold(1, 2 * self.shape.splice + 1, SUBSAMPLING)
        hidden = self.input(spliced.transpose(2, 3).flatten(2))
        hidden = functional.relu(self.input_norm(hidden.flatten(0, 1)).view_as(hidden))
        for layer in self.layers:
            hidden = layer(hidden, self.dropout)
        shared = self.prefinal(hidden)
        return self.output(shared), self.tone(shared)
