"""The two calls that the demonstration plays, and the clips that the tests recognise."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from model_recipe.channel import Telephone, code
from model_recipe.espeak import Espeak, Manner
from model_recipe.voices import SAMPLE_RATE, Speaker, speak

# The caller hears the announcement first and answers after it.
_LEAD_SECONDS = 2.8
_PAUSE_SECONDS = (0.7, 1.2)
_END_SECONDS = 1.0
_PEAK = 0.5  # of full scale, about -6 dB


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence and who says it."""

    speaker: Speaker
    text: str


_OFFICIAL = Speaker("vi+m4", Manner(165, 45, 60), 1.0)
_OFFICER = Speaker("vi+Mario", Manner(165, 40, 60), 1.0)
_WARD = Speaker("vi+m4", Manner(165, 48, 60), 1.0)

DIALOGUES = {
    "scam-vi": (
        Line(_OFFICIAL, "a lô tôi là cán bộ sở thông tin và truyền thông tỉnh đắc lắc"),
        Line(_OFFICIAL, "số điện thoại của anh đăng kí không đúng quy định"),
        Line(_OFFICIAL, "số thuê bao của anh sẽ bị thu hồi trong vòng hai giờ"),
        Line(_OFFICIAL, "để không bị thu hồi số thuê bao anh giữ máy gặp công an tỉnh"),
        Line(_OFFICER, "tôi là đại úy nguyễn văn hùng công an tỉnh đắc lắc"),
        Line(_OFFICER, "anh có liên quan đến một đường dây ma túy và rửa tiền"),
        Line(_OFFICER, "tuyệt đối không được nói với ai kể cả người thân"),
        Line(_OFFICER, "anh phải chuyển tiền vào tài khoản tạm giữ ngay bây giờ"),
        Line(_OFFICER, "nếu không hợp tác chúng tôi sẽ ra lệnh bắt"),
    ),
    "benign-vi": (
        Line(_WARD, "dạ chào bác con là cảnh sát khu vực của phường mình ạ"),
        Line(_WARD, "căn cước công dân của bác làm xong rồi"),
        Line(_WARD, "mời bác tới công an phường nhận trong giờ hành chính"),
        Line(_WARD, "bác không cần mang theo gì cũng không mất tiền"),
        Line(_WARD, "công an không bao giờ yêu cầu chuyển tiền bác nhé"),
        Line(_WARD, "dạ con cảm ơn bác con chào bác ạ"),
    ),
}


def _trimmed(samples: np.ndarray) -> np.ndarray:
    """Without the silence that the synthesiser puts around a sentence."""
    loud = np.flatnonzero(np.abs(samples) > 50)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def render(espeak: Espeak, lines: Sequence[Line], seed: int) -> tuple[np.ndarray, list[dict]]:
    """The dialogue as int16, and its sentences with start and end in seconds."""
    rng = random.Random(seed)
    pieces = [np.zeros(int(_LEAD_SECONDS * SAMPLE_RATE))]
    sentences: list[dict] = []
    for line in lines:
        said = _trimmed(speak(espeak, line.speaker, line.text)[0])
        start = sum(map(len, pieces)) / SAMPLE_RATE
        end = start + len(said) / SAMPLE_RATE
        sentences.append({"text": line.text, "start": round(start, 3), "end": round(end, 3)})
        pause = np.zeros(int(rng.uniform(*_PAUSE_SECONDS) * SAMPLE_RATE))
        # equal loudness for all speakers
        pieces += [said / np.abs(said).max(), pause]
    pieces[-1] = np.zeros(int(_END_SECONDS * SAMPLE_RATE))
    whole = np.concatenate(pieces) * _PEAK * 32767
    return np.round(whole).astype(np.int16), sentences


def write_dialogues(folder: Path) -> None:
    """Write each dialogue as FLAC with a JSON file of its sentences beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    espeak = Espeak()
    for name, lines in DIALOGUES.items():
        audio, sentences = render(espeak, lines, seed=7)
        soundfile.write(folder / f"{name}.flac", audio, SAMPLE_RATE, subtype="PCM_16")
        described = {
            "made_by": "scripts/make_demo_audio (espeak-ng)",
            "voices": sorted({line.speaker.voice for line in lines}),
            "seconds": round(len(audio) / SAMPLE_RATE, 3),
            "sentences": sentences,
        }
        text = json.dumps(described, ensure_ascii=False, indent=2) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"demo: {name}: {described['seconds']} s")


def decode_dialogue(model: Path, file: Path) -> str:
    """What a model hears in a dialogue after A-law coding."""
    import vosk

    from model_recipe.evaluation import recognise

    vosk.SetLogLevel(-1)
    audio = soundfile.read(file, dtype="int16")[0]
    coded = code(audio.astype(np.float64), "ALAW").astype(np.int16)
    words = recognise(vosk.Model(str(model)), coded.tobytes())
    return " ".join(str(word["word"]) for word in words)


@dataclass(frozen=True, slots=True)
class TestClip:
    """A committed clip by a test voice; `line` is a codec, telephone (random line) or clean."""

    name: str
    kind: str
    text: str
    voice: str
    line: str


TEST_CLIPS = (
    TestClip("cong-an", "phrase", "cán bộ công an tỉnh mời anh lên trụ sở", "vi+m5", "clean"),
    TestClip("thu-hoi", "phrase", "nhà mạng sẽ thu hồi số thuê bao của anh", "vi+john", "clean"),
    TestClip("chuyen-tien", "phrase", "anh chuyển tiền vào tài khoản này", "vi+paul", "clean"),
    TestClip("cong-an-alaw", "phrase", "tôi là công an tỉnh đây", "vi-vn-x-south+f4", "ALAW"),
    TestClip("thu-hoi-gsm", "phrase", "thông báo thu hồi số thuê bao", "vi+michel", "GSM610"),
    TestClip("chuyen-tien-ulaw", "phrase", "chị chuyển tiền ngay cho tôi", "vi+belinda", "ULAW"),
    TestClip("cong-an-viec-lam", "near", "nhà em lo công ăn việc làm", "vi+m5", "clean"),
    TestClip("thu-hoi-cong-no", "near", "em đi thu hồi công nợ của khách", "vi+john", "clean"),
    TestClip("chuyen-tien-bac", "near", "chuyện tiền bạc thì để sau", "vi+paul", "clean"),
    TestClip("an-com", "ordinary", "tối nay con về nhà ăn cơm mẹ nhé", "vi+f4", "telephone"),
)


def write_test_clips(folder: Path) -> None:
    """Write the clips of the tests and their index."""
    folder.mkdir(parents=True, exist_ok=True)
    espeak = Espeak()
    index = []
    for number, clip in enumerate(TEST_CLIPS):
        speaker = Speaker(clip.voice, Manner(165, 48, 60), 1.0)
        said = _trimmed(speak(espeak, speaker, clip.text)[0])
        padded = np.pad(said, (SAMPLE_RATE // 2, SAMPLE_RATE // 2))
        audio = padded / np.abs(padded).max() * _PEAK * 32767
        if clip.line == "telephone":
            audio = Telephone(random.Random(number))(audio).astype(np.float64)
        elif clip.line != "clean":
            audio = code(audio, clip.line)
        file = f"{clip.name}.flac"
        soundfile.write(folder / file, np.round(audio).astype(np.int16), SAMPLE_RATE)
        index.append(
            {
                "file": file,
                "kind": clip.kind,
                "text": clip.text,
                "voice": clip.voice,
                "codec": clip.line,
                "seconds": round(len(audio) / SAMPLE_RATE, 3),
            }
        )
    described = {"speech": "synthetic, by espeak-ng (scripts/make_demo_audio)", "clips": index}
    text = json.dumps(described, ensure_ascii=False, indent=2) + "\n"
    (folder / "index.json").write_text(text, encoding="utf-8")
