"""Command line of the recipe; `scripts/build_model` is its front."""

import argparse
from dataclasses import replace
from pathlib import Path

from model_recipe.workspace import REPOSITORY, Workspace

# Chosen by the step "study" on the tune voices: see docs/speech-model.md.
WINDOW_MS, BANDS = 25.0, 40
MODEL_NAME = "vosk-model-vi-ivr-demo-0.1"


def _speech_shard(args: argparse.Namespace) -> None:
    from model_recipe.speech_data import Speech, write_shard

    space = Workspace(args.work)
    words = space.vocabulary
    speech = Speech(space.grammar, space.dictionary, words, args.seed, args.group)
    write_shard(args.path, speech, args.hours)


def _speech(args: argparse.Namespace) -> None:
    from model_recipe.speech_data import make_shard, make_shards

    space = Workspace(args.work)
    make_shards(space.root, space.speech, args.hours, args.seed, args.workers)
    make_shard(space.validation, space.root, 0.05 if args.toy else 0.5, 990, "tune")


def _study(args: argparse.Namespace) -> None:
    """Small runs on equal data with different features, scored on the tune voices."""
    from model_recipe import training
    from model_recipe.features import FeatureSettings
    from model_recipe.network import Shape
    from model_recipe.training_data import read_stream, read_streams

    space = Workspace(args.work)
    shards = sorted(space.speech.glob("shard-*.npz"))[: args.shards]
    for choice in args.settings:
        window, bands = choice.removesuffix("p").split("x")
        settings = FeatureSettings(float(window), int(bands), pitch=choice.endswith("p"))
        stream = read_streams(shards, settings)
        held_out = read_stream(space.validation, settings)
        shape = Shape(dimensions=settings.dimensions, width=384, bottleneck=96, prefinal=192)
        network = training.new_network(stream, shape, args.seed)
        training.train(network, stream, training.Plan(args.steps, 60, batch=32, seed=args.seed))
        score = training.score_frames(network, held_out)
        print(f"study: {choice}: {score}", flush=True)


def _train(args: argparse.Namespace) -> None:
    from model_recipe import training
    from model_recipe.features import FeatureSettings
    from model_recipe.network import Shape
    from model_recipe.training_data import cached_stream, read_stream

    space = Workspace(args.work)
    settings = FeatureSettings(args.window, args.bands)
    shards = sorted(space.speech.glob("shard-*.npz"))
    print(f"training: features of {len(shards)} shards", flush=True)
    stream = cached_stream(space.features(settings.name), shards, settings)
    shape = Shape(dimensions=settings.dimensions)
    if args.toy:
        shape = replace(shape, width=192, bottleneck=48, prefinal=96)
    network = training.new_network(stream, shape, args.seed)
    print(f"training: {sum(p.numel() for p in network.parameters())} parameters", flush=True)
    plan = training.Plan(args.steps, args.minutes, seed=args.seed)
    priors = training.log_priors(stream)

    def keep() -> None:
        training.save(space.network_so_far, network, settings, priors, 0)

    steps = training.train(network, stream, plan, keep)
    training.save(space.network, network, settings, priors, steps)
    score = training.score_frames(network, read_stream(space.validation, settings))
    print(f"training: {steps} steps; tune voices: {score}", flush=True)


def _model(args: argparse.Namespace) -> None:
    from ivr.recognition.model import digest
    from model_recipe.assembly import (
        Decoding,
        LanguageData,
        write_acoustic_files,
        write_graph_files,
    )

    space = Workspace(args.work)
    data = LanguageData(sentences=3_000) if args.toy else LanguageData()
    write_acoustic_files(space, space.model, Decoding())
    write_graph_files(space, space.model, data, Decoding().filler_cost)
    print(f"model: {space.model}, digest {digest(space.model)}", flush=True)


def _tune(args: argparse.Namespace) -> None:
    """Error rates on the tune set for decoding settings around the chosen ones."""
    from model_recipe.assembly import Decoding, write_acoustic_files
    from model_recipe.evaluation import evaluate, table
    from model_recipe.measured_speech import make_set

    space = Workspace(args.work)
    clips = make_set("tune", space.measured, space.vocabulary)
    if args.quick:
        clips = [clip for clip in clips if clip.condition != "random"][::3]
    for choice in args.settings or ["acoustic_scale=0.6"]:
        pairs = (pair.split("=") for pair in choice.split(","))
        decoding = replace(Decoding(), **{name: float(value) for name, value in pairs})
        decoding = replace(decoding, max_active=int(decoding.max_active))
        write_acoustic_files(space, space.model, decoding)
        figures = evaluate(space.model, space.measured, clips)
        print(f"tune: {choice}: real-time factor {figures['real_time_factor']}", flush=True)
        print(table(figures), flush=True)


def _evaluate(args: argparse.Namespace) -> None:
    """The test set, once, at the end; the card and evaluation.json go into the model."""
    import json

    from model_recipe.assembly import CARD, FIGURES, LanguageData
    from model_recipe.card import write_card
    from model_recipe.corpus import TEXT_SHARES
    from model_recipe.evaluation import evaluate, table
    from model_recipe.measured_speech import make_set
    from model_recipe.training import stored_steps
    from model_recipe.voices import VARIANTS

    space = Workspace(args.work)
    model = args.model or space.model
    clips = make_set("test", space.measured, space.vocabulary, voices=1 if args.toy else 6)
    figures = evaluate(model, space.measured, clips)
    print(table(figures))
    print(f"evaluation: synthetic speech only; real-time factor {figures['real_time_factor']}")
    stored = json.dumps(figures, ensure_ascii=False, indent=1)
    (model / FIGURES).write_text(stored + "\n", encoding="utf-8")
    facts = {
        "parameters": f"{(model / 'am' / 'final.mdl').stat().st_size / 4e6:.1f} million parameters",
        "words": f"{len(space.vocabulary):,}",
        "train_voices": str(len(VARIANTS["train"])),
        "steps": f"{stored_steps(space.network):,}",
        "sentences": f"{LanguageData().sentences:,}",
        "shares": ", ".join(f"{name} {share:.0%}" for name, share in TEXT_SHARES.items()),
        "test_voices": ", ".join(VARIANTS["test"]),
        "figures_file": FIGURES,
    }
    write_card(model / CARD, figures, facts)


def _demo(args: argparse.Namespace) -> None:
    """The two demonstration calls and the clips of the tests."""
    from model_recipe.demo_audio import (
        DIALOGUES,
        decode_dialogue,
        write_dialogues,
        write_test_clips,
    )

    audio = REPOSITORY / "ivr" / "demo" / "audio"
    write_dialogues(audio)
    write_test_clips(REPOSITORY / "tests" / "assets" / "speech")
    if args.model.is_dir():
        for name in DIALOGUES:
            print(f"demo: {name}, heard after A-law coding:")
            print(decode_dialogue(args.model, audio / f"{name}.flac"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="model_recipe", description=__doc__)
    parser.add_argument("--work", type=Path, default=REPOSITORY / "build" / "model")
    steps = parser.add_subparsers(required=True, dest="step")

    shard = steps.add_parser("speech-shard", help="one shard of training speech")
    shard.add_argument("path", type=Path)
    shard.add_argument("--group", default="train", choices=("train", "tune"))
    shard.set_defaults(run=_speech_shard)
    speech = steps.add_parser("speech", help="all training speech")
    speech.add_argument("--workers", type=int, default=2)
    speech.set_defaults(run=_speech)
    for step in (shard, speech):
        step.add_argument("--hours", type=float, default=30.0)
    study = steps.add_parser("study", help="compare feature settings in small runs")
    study.add_argument("settings", nargs="+", help="WINDOWxBANDS, as 25x40; a final p adds pitch")
    study.add_argument("--shards", type=int, default=6)
    study.set_defaults(run=_study, steps=400)
    train = steps.add_parser("train", help="train the network")
    train.add_argument("--window", type=float, default=WINDOW_MS)
    train.add_argument("--bands", type=int, default=BANDS)
    train.add_argument("--minutes", type=float, default=30.0)
    train.set_defaults(run=_train)
    model = steps.add_parser("model", help="assemble the Vosk directory")
    model.set_defaults(run=_model)
    tune = steps.add_parser("tune", help="compare decoding settings on the tune set")
    tune.add_argument("settings", nargs="*", help="NAME=VALUE,... of Decoding")
    tune.add_argument("--quick", action="store_true", help="a third of the clips")
    tune.set_defaults(run=_tune)
    evaluate = steps.add_parser("evaluate", help="measure on the test set; write the card")
    evaluate.add_argument("--model", type=Path, help="another Vosk directory to measure")
    evaluate.set_defaults(run=_evaluate)
    demo = steps.add_parser("demo", help="the demonstration calls and the clips of the tests")
    demo.add_argument("--model", type=Path, default=REPOSITORY / "asr_models" / MODEL_NAME)
    demo.set_defaults(run=_demo)
    for step in (speech, train, model, evaluate):
        step.add_argument("--toy", action="store_true", help="a tiny model, to try the steps")
    for step in (study, train):
        step.add_argument("--steps", type=int, default=3500)
    for step in (shard, speech, study, train):
        step.add_argument("--seed", type=int, default=1)

    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
