"""Shards to feature and label arrays, and random chunks of them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from model_recipe.alignment import frame_labels
from model_recipe.features import FeatureSettings, features
from model_recipe.network import SUBSAMPLING, Shape
from model_recipe.pronunciation import BASE_PHONES, tone_of
from model_recipe.speech_data import read_shard

_MINIMUM_FRAMES = 10


@dataclass(frozen=True, slots=True)
class Stream:
    """Utterances joined end to end: `cepstra` has three rows for every entry of `labels`."""

    cepstra: np.ndarray
    labels: np.ndarray
    tones: np.ndarray


def tones_of_labels(labels: np.ndarray) -> np.ndarray:
    """Tone class of each frame: a rime's tone also on its coda, 0 on initials and silence."""
    by_base = np.array([tone_of(phone) for phone in BASE_PHONES])
    coda = np.array([phone.startswith("-") for phone in BASE_PHONES])
    bases = labels // 2
    carried = coda[bases]
    # a coda frame takes the value of the last frame that is no coda
    source = np.maximum.accumulate(np.where(carried, 0, np.arange(len(labels))))
    return by_base[bases][source].astype(np.int64)


def read_stream(path: Path, settings: FeatureSettings) -> Stream:
    """Features and labels of one shard."""
    cepstra, labels = [], []
    for utterance in read_shard(path):
        rows = features(utterance.audio, settings)
        frames = (len(rows) + SUBSAMPLING - 1) // SUBSAMPLING
        if frames < _MINIMUM_FRAMES:
            continue
        padding = SUBSAMPLING * frames - len(rows)
        cepstra.append(np.pad(rows, ((0, padding), (0, 0)), mode="edge").astype(np.float16))
        labels.append(frame_labels(utterance.segments, frames, settings.window_ms))
    joined = np.concatenate(labels).astype(np.int64)
    return Stream(np.concatenate(cepstra), joined, tones_of_labels(joined))


def read_streams(paths: Sequence[Path], settings: FeatureSettings, workers: int = 2) -> Stream:
    """Features and labels of many shards, in order, computed by several processes."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return join(list(pool.map(partial(read_stream, settings=settings), paths)))


def cached_stream(cache: Path, paths: Sequence[Path], settings: FeatureSettings) -> Stream:
    """`read_streams`, kept in a file for the next time."""
    if not cache.exists():
        stream = read_streams(paths, settings)
        partial_file = cache.with_suffix(".partial.npz")
        np.savez(partial_file, cepstra=stream.cepstra, labels=stream.labels, tones=stream.tones)
        partial_file.rename(cache)
    with np.load(cache) as stored:
        return Stream(stored["cepstra"], stored["labels"], stored["tones"])


def join(streams: Sequence[Stream]) -> Stream:
    """One stream of several."""
    return Stream(
        np.concatenate([stream.cepstra for stream in streams]),
        np.concatenate([stream.labels for stream in streams]),
        np.concatenate([stream.tones for stream in streams]),
    )


def chunks(
    stream: Stream, shape: Shape, frames: int, batch: int, generator: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Endless batches (cepstra with context, labels, tones) of chunks at random places.

    Chunks ignore utterance borders, as a call is one stream to the recogniser too.
    """
    before = -(-shape.left_context // SUBSAMPLING)
    after = -(-shape.right_context // SUBSAMPLING)
    while True:
        offset = int(generator.integers(frames))
        starts = np.arange(before + offset, len(stream.labels) - frames - after, frames)
        generator.shuffle(starts)
        for index in range(0, len(starts) - batch + 1, batch):
            chosen = starts[index : index + batch]
            yield (
                np.stack([_rows(stream, shape, start, frames) for start in chosen]),
                np.stack([stream.labels[start : start + frames] for start in chosen]),
                np.stack([stream.tones[start : start + frames] for start in chosen]),
            )


def _rows(stream: Stream, shape: Shape, start: int, frames: int) -> np.ndarray:
    first = SUBSAMPLING * start - shape.left_context
    last = SUBSAMPLING * (start + frames - 1) + shape.right_context
    return stream.cepstra[first : last + 1].astype(np.float32)
