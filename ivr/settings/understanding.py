"""Settings of hearing, spotting and judging."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from ivr.settings.section import Fraction, Seconds, Section


class RecognitionSettings(Section):
    engine: Literal["vosk", "viet-asr"] = Field(
        default="vosk",
        description="What hears calls: vosk with the model below, or viet-asr, an optional extra "
        "with its own weights (its package names Apache-2.0; their origin is undocumented).",
    )
    second_pass: Literal["auto", "off", "vosk", "viet-asr"] = Field(
        default="auto",
        description="What listens again after a call, before sealing; auto: viet-asr when it is "
        "installed and does not hear the calls already.",
    )
    second_pass_max_s: float = Field(
        default=180.0,
        gt=0,
        description="Longest wait for the second pass; then the case is sealed without it.",
    )
    model: Path = Field(
        default=Path("asr_models/vosk-model-vi-ivr-demo-0.1"), description="Vosk model directory."
    )
    models_dir: Path = Field(
        default=Path("asr_models"), description="Where models are listed and unpacked."
    )
    processes: int = Field(
        default=0, ge=0, le=64, description="Recogniser processes; 0 is one for each core."
    )
    queue_s: float = Field(
        default=10.0,
        gt=0,
        description="Sound a leg may wait for its recogniser; what is beyond is heard again later.",
    )
    max_lag_s: float = Field(
        default=2.0, gt=0, description="Recognition behind by more than this: calls get 503."
    )
    vad_mode: int = Field(
        default=2, ge=0, le=3, description="webrtcvad aggressiveness; 0 lets most through."
    )
    preroll_s: Seconds = Field(
        default=0.4, description="Sound kept before speech starts, so no first word is clipped."
    )
    hangover_s: Seconds = Field(
        default=0.7, description="Silence that ends an utterance on the telephone."
    )
    partial_every_s: float = Field(
        default=0.2, gt=0, description="How often a partial result is asked for."
    )


class SpottingSettings(Section):
    rulebook: Path = Field(
        default=Path("config/rulebook/vi.yaml"), description="The rulebook: phrases and stages."
    )


class VerdictSettings(Section):
    judge: Literal["both", "rules"] = Field(
        default="both",
        description="What decides: the rulebook's phrases and the scorer of the wording together, "
        "or the phrases alone.",
    )
    scorer: Path = Field(
        default=Path("config/scorer/vi.json"),
        description="The scorer's model, made by scripts/train_scorer.",
    )
    live_threshold: Fraction = Field(default=0.5, description="Score from which we warn.")
    filing_threshold: Fraction = Field(default=0.8, description="Score from which we report.")
    min_syllables: int = Field(
        default=8, ge=0, description="Fewer syllables heard than this: the verdict is unsure."
    )
