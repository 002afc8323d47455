"""Kaldi's pitch features, computed by the very code that Vosk will run.

The vosk wheel exports Kaldi's functions, so the training features come from the same library as
the recogniser's.  Without pitch, tones are hidden in the fine structure of the spectrum, which a
25 ms window does not resolve.
"""

import ctypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import vosk

from model_recipe.voices import SAMPLE_RATE

PITCH_DIMENSIONS = 3  # probability of voicing, normalised log pitch, its slope
_FUNCTION = (
    "_ZN5kaldi27ComputeAndProcessKaldiPitchERKNS_22PitchExtractionOptionsE"
    "RKNS_19ProcessPitchOptionsERKNS_10VectorBaseIfEEPNS_6MatrixIfEE"
)
_FREE_MATRIX = "_ZN5kaldi6MatrixIfE7DestroyEv"


class _Extraction(ctypes.Structure):
    """kaldi::PitchExtractionOptions (feat/pitch-functions.h)."""

    _fields_ = (
        *(
            (name, ctypes.c_float)
            for name in (
                "samp_freq",
                "frame_shift_ms",
                "frame_length_ms",
                "preemph_coeff",
                "min_f0",
                "max_f0",
                "soft_min_f0",
                "penalty_factor",
                "lowpass_cutoff",
                "resample_freq",
                "delta_pitch",
                "nccf_ballast",
            )
        ),
        ("lowpass_filter_width", ctypes.c_int32),
        ("upsample_filter_width", ctypes.c_int32),
        ("max_frames_latency", ctypes.c_int32),
        ("frames_per_chunk", ctypes.c_int32),
        ("simulate_first_pass_online", ctypes.c_bool),
        ("recompute_frame", ctypes.c_int32),
        ("nccf_ballast_online", ctypes.c_bool),
        ("snip_edges", ctypes.c_bool),
    )


class _Processing(ctypes.Structure):
    """kaldi::ProcessPitchOptions."""

    _fields_ = (
        *(
            (name, ctypes.c_float)
            for name in (
                "pitch_scale",
                "pov_scale",
                "pov_offset",
                "delta_pitch_scale",
                "delta_pitch_noise_stddev",
            )
        ),
        ("normalization_left_context", ctypes.c_int32),
        ("normalization_right_context", ctypes.c_int32),
        ("delta_window", ctypes.c_int32),
        ("delay", ctypes.c_int32),
        ("add_pov_feature", ctypes.c_bool),
        ("add_normalized_log_pitch", ctypes.c_bool),
        ("add_delta_pitch", ctypes.c_bool),
        ("add_raw_log_pitch", ctypes.c_bool),
    )


class _Vector(ctypes.Structure):
    _fields_ = (("data", ctypes.POINTER(ctypes.c_float)), ("size", ctypes.c_int32))


class _Matrix(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.POINTER(ctypes.c_float)),
        ("columns", ctypes.c_int32),
        ("rows", ctypes.c_int32),
        ("stride", ctypes.c_int32),
    )


@dataclass(frozen=True, slots=True)
class PitchSettings:
    """Search range (Hz) and step of the pitch, where they differ from Kaldi's defaults."""

    lowest: float = 50.0
    highest: float = 450.0
    step: float = 0.01  # relative; Kaldi's 0.005 takes twice the time

    def pitch_conf(self) -> str:
        """The text of Vosk's `conf/pitch.conf`."""
        return "\n".join(
            (
                f"--sample-frequency={SAMPLE_RATE}",
                f"--min-f0={self.lowest:g}",
                f"--max-f0={self.highest:g}",
                f"--delta-pitch={self.step:g}",
                "--delta-pitch-noise-stddev=0",
                # The mean that pitch is measured from comes from the past alone.  Training takes
                # 0.75 s of the future too, as Kaldi does by default; at work that would hold back
                # every partial result by as long, and the tune set shows no gain from it.
                "--normalization-right-context=0",
                "",
            )
        )


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(Path(vosk.__file__).parent / "libvosk.so"))


def pitch(samples: np.ndarray, settings: PitchSettings) -> np.ndarray:
    """Three values per 10 ms, as a recogniser fed in small blocks sees them the first time.

    The search is not repeated when later audio would change its mind, and 20 frames are read at a
    time, about what the network's look-ahead leaves to the recogniser.
    """
    extraction = _Extraction(
        SAMPLE_RATE,
        10.0,
        25.0,
        0.0,
        settings.lowest,
        settings.highest,
        10.0,
        0.1,
        1000.0,
        4000.0,
        settings.step,
        7000.0,
        1,
        5,
        0,
        20,
        True,
        500,
        False,
        True,
    )
    processing = _Processing(2.0, 2.0, 0.0, 10.0, 0.0, 75, 75, 2, 0, True, True, True, False)
    values = np.ascontiguousarray(samples, np.float32)
    pointer = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    vector, matrix = _Vector(pointer, len(values)), _Matrix()
    library = _library()
    getattr(library, _FUNCTION)(
        ctypes.byref(extraction),
        ctypes.byref(processing),
        ctypes.byref(vector),
        ctypes.byref(matrix),
    )
    if not matrix.data:
        return np.zeros((0, PITCH_DIMENSIONS), np.float32)
    stored = np.ctypeslib.as_array(matrix.data, (matrix.rows, matrix.stride))
    result = stored[:, : matrix.columns].copy()
    getattr(library, _FREE_MATRIX)(ctypes.byref(matrix))
    return result
