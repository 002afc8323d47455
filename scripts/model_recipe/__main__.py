"""Command line of the recipe; `scripts/build_model` is its front."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from model_recipe.workspace import REPOSITORY, Workspace

# Chosen by the step "study" on the tune voices: see docs/speech-model.md.
WINDOW_MS, BANDS = 25.0, 40
MODEL_NAME = "vosk-model-vi-ivr-demo-0.1"
MODELS = REPOSITORY / "asr_models"
TOY_STRIDE = 4  # a toy is measured on every fourth clip: it shows that measuring works


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
        language_data,
        write_acoustic_files,
        write_graph_files,
    )

    space = Workspace(args.work)
    write_acoustic_files(space, space.model, Decoding())
    write_graph_files(space, space.model, language_data(args.toy), Decoding().filler_cost)
    print(f"model: {space.model}, digest {digest(space.model)}", flush=True)


def _tune(args: argparse.Namespace) -> None:
    """Error rates on the tune set for decoding settings around the chosen ones."""
    from model_recipe.assembly import Decoding, write_acoustic_files
    from model_recipe.evaluation import evaluate
    from model_recipe.figures import table
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
    """The test set, once, at the end; the card and evaluation.json go into the model.

    Another model (`--model`) is only measured: the card tells of this build alone.
    """
    from model_recipe.card import FIGURES
    from model_recipe.evaluation import evaluate
    from model_recipe.figures import table
    from model_recipe.measured_speech import make_set

    space = Workspace(args.work)
    size = {"voices": 1, "every": TOY_STRIDE} if args.toy else {}
    clips = make_set("test", space.measured, space.vocabulary, **size)
    model = args.model or space.model
    figures = evaluate(model, space.measured, clips)
    print(table(figures))
    print(f"evaluation: synthetic speech only; real-time factor {figures['real_time_factor']}")
    if args.model:
        return
    stored = json.dumps(figures, ensure_ascii=False, indent=1)
    (space.model / FIGURES).write_text(stored + "\n", encoding="utf-8")
    _card(args)


def _card(args: argparse.Namespace) -> None:
    """The card again from the stored figures; nothing is measured."""
    from model_recipe.assembly import language_data
    from model_recipe.card import CARD, FIGURES, write_card
    from model_recipe.corpus import TEXT_SHARES
    from model_recipe.speech_data import stored_hours
    from model_recipe.training import stored_steps
    from model_recipe.voices import VARIANTS

    space = Workspace(args.work)
    model = space.model
    facts = {
        "title": "a toy, to try the steps" if args.toy else MODEL_NAME,
        "hours": f"{stored_hours(sorted(space.speech.glob('shard-*.npz'))):.3g}",
        "seed": str(args.seed),
        "parameters": f"{(model / 'am' / 'final.mdl').stat().st_size / 4e6:.1f} million parameters",
        "words": f"{len(space.vocabulary):,}",
        "train_voices": str(len(VARIANTS["train"])),
        "steps": f"{stored_steps(space.network):,}",
        "sentences": f"{language_data(args.toy).sentences:,}",
        "shares": ", ".join(f"{name} {share:.0%}" for name, share in TEXT_SHARES.items()),
        "test_voices": ", ".join(VARIANTS["test"]),
    }
    figures = json.loads((model / FIGURES).read_text(encoding="utf-8"))
    write_card(model / CARD, figures, facts)


def _install(args: argparse.Namespace) -> None:
    """The built model into the folder of models, and its digest into the manifest."""
    from ivr.errors import IvrError
    from model_recipe.installation import install

    built = Workspace(args.work).model
    try:
        sha256 = install(built, args.models, args.name, force=args.force)
    except IvrError as problem:
        sys.exit(f"install: {problem}")
    print(f"install: {args.models / args.name}, digest {sha256}")


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
        step.add_argument("--hours", type=float, default=36.0)
    study = steps.add_parser("study", help="compare feature settings in small runs")
    study.add_argument("settings", nargs="+", help="WINDOWxBANDS, as 25x40; a final p adds pitch")
    study.add_argument("--shards", type=int, default=6)
    study.add_argument("--steps", type=int, default=400)
    study.set_defaults(run=_study)
    train = steps.add_parser("train", help="train the network")
    train.add_argument("--window", type=float, default=WINDOW_MS)
    train.add_argument("--bands", type=int, default=BANDS)
    train.add_argument("--minutes", type=float, default=36.0)
    train.add_argument("--steps", type=int, default=5000)
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
    card = steps.add_parser("card", help="write the card again from the stored figures")
    card.set_defaults(run=_card)
    install = steps.add_parser("install", help="put the built model among the project's models")
    install.add_argument("--models", type=Path, default=MODELS, help="folder of the manifest")
    install.add_argument("--name", default=MODEL_NAME, help="built-in entry of the manifest")
    install.add_argument("--force", action="store_true", help="replace the model that is there")
    install.set_defaults(run=_install)
    demo = steps.add_parser("demo", help="the demonstration calls and the clips of the tests")
    demo.add_argument("--model", type=Path, default=MODELS / MODEL_NAME)
    demo.set_defaults(run=_demo)
    for step in (speech, train, model, evaluate, card):
        step.add_argument("--toy", action="store_true", help="a tiny model, to try the steps")
    for step in (shard, speech, study, train, evaluate, card):
        step.add_argument("--seed", type=int, default=1)

    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
