"""Kaldi's features, and the `conf/` files that make Vosk compute the same ones."""

from dataclasses import dataclass
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np

from model_recipe.pitch import PITCH_DIMENSIONS, PitchSettings, pitch
from model_recipe.voices import SAMPLE_RATE

FRAME_SHIFT_MS = 10
_LOW_HZ, _HIGH_HZ = 40, -200  # a negative upper edge counts from half the sample rate


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """Analysis window (ms), number of mel bands and so of cepstra, and whether pitch is added."""

    window_ms: float = 25.0
    bands: int = 40
    pitch: bool = True

    @property
    def name(self) -> str:
        """Short form, as the step "study" takes it."""
        return f"{self.window_ms:g}x{self.bands}{'p' if self.pitch else ''}"

    @property
    def dimensions(self) -> int:
        """Values per frame."""
        return self.bands + (PITCH_DIMENSIONS if self.pitch else 0)

    def write_conf(self, folder: Path) -> None:
        """Write `mfcc.conf`, and `pitch.conf` when pitch is used."""
        (folder / "mfcc.conf").write_text(self.mfcc_conf(), encoding="utf-8")
        if self.pitch:
            (folder / "pitch.conf").write_text(PitchSettings().pitch_conf(), encoding="utf-8")

    def mfcc_conf(self) -> str:
        """The text of Vosk's `conf/mfcc.conf`."""
        return "\n".join(
            (
                "--use-energy=false",
                f"--sample-frequency={SAMPLE_RATE}",
                f"--frame-length={self.window_ms:g}",
                f"--num-mel-bins={self.bands}",
                f"--num-ceps={self.bands}",
                f"--low-freq={_LOW_HZ}",
                f"--high-freq={_HIGH_HZ}",
                "--dither=0.0",
                "",
            )
        )


def mfcc(samples: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """Cepstra, one row per 10 ms, of samples on the int16 scale."""
    options = knf.MfccOptions()
    options.frame_opts.samp_freq = SAMPLE_RATE
    options.frame_opts.frame_length_ms = settings.window_ms
    options.frame_opts.dither = 0.0
    options.frame_opts.window_type = "povey"
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = settings.bands
    options.mel_opts.low_freq = _LOW_HZ
    options.mel_opts.high_freq = _HIGH_HZ
    options.num_ceps = settings.bands
    options.use_energy = False
    extractor = knf.OnlineMfcc(options)
    extractor.accept_waveform(SAMPLE_RATE, samples.astype(np.float32).tolist())
    extractor.input_finished()
    frames = [extractor.get_frame(i) for i in range(extractor.num_frames_ready)]
    return np.stack(frames) if frames else np.zeros((0, settings.bands), np.float32)


def features(samples: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """What Vosk feeds to the network: cepstra, then pitch."""
    cepstra = mfcc(samples, settings)
    if not settings.pitch:
        return cepstra
    voice = pitch(samples, PitchSettings())
    frames = min(len(cepstra), len(voice))
    return np.hstack((cepstra[:frames], voice[:frames]))
