"""Training by frame cross-entropy, with the tone of each rime as a second task."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from model_recipe.features import FeatureSettings
from model_recipe.network import Network, Shape
from model_recipe.pronunciation import BASE_PHONES, OUTPUTS
from model_recipe.training_data import Stream, chunks

_FRAMES = 150  # 4.5 s
_WARM_UP_STEPS = 300
_TONE_WEIGHT = 0.3
_REPORT_EVERY = 100
_KEEP_EVERY = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard to train.

    The learning rate falls along whichever of `steps` and `minutes` runs out first, so that a
    busy machine still ends with an annealed network.
    """

    steps: int
    minutes: float
    batch: int = 16
    peak_rate: float = 1.5e-3
    seed: int = 1


@dataclass(frozen=True, slots=True)
class FrameScore:
    """Shares of frames that are right, on voices that were not trained on."""

    output: float
    rime_without_tone: float
    tone: float

    def __str__(self) -> str:
        return (
            f"outputs right {self.output:.1%}, nuclei ignoring tone {self.rime_without_tone:.1%}, "
            f"tones on nuclei {self.tone:.1%}"
        )


def bfloat16_helps() -> bool:
    """Whether this processor multiplies bfloat16 in hardware; elsewhere it is slower."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return "avx512_bf16" in flags or "amx_bf16" in flags


def new_network(stream: Stream, shape: Shape, seed: int) -> Network:
    """An untrained network that knows the mean and deviation of the features."""
    torch.manual_seed(seed)
    torch.set_flush_denormal(True)  # they slow this processor a lot
    network = Network(shape)
    sample = stream.cepstra[::17].astype(np.float32)
    network.mean.copy_(torch.from_numpy(sample.mean(0)))
    network.deviation.copy_(torch.from_numpy(sample.std(0) + 1e-3))
    return network


def log_priors(stream: Stream) -> np.ndarray:
    """Log of the share of each output among the training labels."""
    counts = np.bincount(stream.labels, minlength=OUTPUTS) + 1.0
    return np.log(counts / counts.sum())


def _progress(plan: Plan, step: int, started: float) -> float:
    return max(step / plan.steps, (time.monotonic() - started) / 60 / plan.minutes)


def train(
    network: Network, stream: Stream, plan: Plan, keep: Callable[[], None] = lambda: None
) -> int:
    """Train in place; the number of steps made.  `keep` is called now and then to save it."""
    generator = np.random.default_rng(plan.seed)
    optimizer = torch.optim.AdamW(network.parameters(), plan.peak_rate, weight_decay=1e-3)
    batches = chunks(stream, network.shape, _FRAMES, plan.batch, generator)
    mixed = bfloat16_helps()
    network.train()
    started = time.monotonic()
    mean_loss = mean_right = 0.0
    step = 0
    while (progress := _progress(plan, step, started)) < 1:
        cepstra, labels, tones = (torch.from_numpy(part) for part in next(batches))
        rate = 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = plan.peak_rate * rate * min(1, (step + 1) / _WARM_UP_STEPS)
        network.dropout = 0.1 * max(0.0, 1 - 1.4 * progress)
        if generator.random() < 0.8:
            # hide a short stretch of time; cepstra have no bands to hide
            width = int(generator.integers(3, 15))
            at = int(generator.integers(0, cepstra.shape[1] - width))
            cepstra[:, at : at + width] = cepstra[:, at : at + 1]
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            outputs, tone_scores = network(cepstra)
        outputs = outputs.float().flatten(0, 1)
        loss = functional.cross_entropy(outputs, labels.flatten(), label_smoothing=0.02)
        tone_loss = functional.cross_entropy(tone_scores.float().flatten(0, 1), tones.flatten())
        optimizer.zero_grad()
        (loss + _TONE_WEIGHT * tone_loss).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        step += 1
        right = (outputs.argmax(1) == labels.flatten()).float().mean().item()
        memory = min(0.98, 1 - 1 / step)
        mean_loss = memory * mean_loss + (1 - memory) * loss.item()
        mean_right = memory * mean_right + (1 - memory) * right
        if step % _REPORT_EVERY == 0:
            seconds = time.monotonic() - started
            print(
                f"training: step {step} ({progress:.0%}), loss {mean_loss:.3f}, "
                f"frames right {mean_right:.1%}, {seconds:.0f} s",
                flush=True,
            )
        if step % _KEEP_EVERY == 0:
            keep()
    network.eval()
    return step


def score_frames(network: Network, stream: Stream) -> FrameScore:
    """Frame accuracy on a stream."""
    nucleus = torch.tensor([phone[-1].isdigit() for phone in BASE_PHONES])
    stems = sorted({phone.rstrip("123456") for phone in BASE_PHONES})
    stem = torch.tensor([stems.index(phone.rstrip("123456")) for phone in BASE_PHONES])
    tone = torch.tensor([int(p[-1]) if p[-1].isdigit() else 0 for p in BASE_PHONES])
    right = total = stem_right = tone_right = nuclei = 0
    batches = chunks(stream, network.shape, _FRAMES, 16, np.random.default_rng(0))
    network.eval()
    with torch.no_grad():
        for _ in range(max(1, len(stream.labels) // (_FRAMES * 16))):
            cepstra, labels, _ = (torch.from_numpy(part) for part in next(batches))
            heard = network(cepstra)[0].argmax(2) // 2
            spoken = labels // 2
            right += int((heard == spoken).sum())
            total += spoken.numel()
            inside = nucleus[spoken]
            nuclei += int(inside.sum())
            stem_right += int((stem[heard] == stem[spoken])[inside].sum())
            tone_right += int((tone[heard] == tone[spoken])[inside].sum())
    return FrameScore(right / total, stem_right / nuclei, tone_right / nuclei)


def save(
    path: Path, network: Network, features: FeatureSettings, priors: np.ndarray, steps: int
) -> None:
    """Store everything that export needs, and the steps made for the card."""
    torch.save(
        {
            "weights": network.state_dict(),
            "shape": asdict(network.shape),
            "features": asdict(features),
            "log_priors": torch.from_numpy(priors),
            "steps": steps,
        },
        path,
    )


def load(path: Path) -> tuple[Network, FeatureSettings, np.ndarray]:
    """What `save` stored."""
    stored = torch.load(path, weights_only=True)
    sizes = {k: tuple(v) if isinstance(v, list) else v for k, v in stored["shape"].items()}
    network = Network(Shape(**sizes))
    network.load_state_dict(stored["weights"])
    network.eval()
    return network, FeatureSettings(**stored["features"]), stored["log_priors"].numpy()


def stored_steps(path: Path) -> int:
    """The number of training steps behind a stored network."""
    return int(torch.load(path, weights_only=True)["steps"])
