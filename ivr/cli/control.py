"""``ivr status``, ``ivr drain``, ``ivr undrain``: words with the running agent."""

import time
from typing import Any

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json, progress
from ivr.watch.control_socket import ask

POLL_S = 0.5


def status(
    ctx: typer.Context,
    show_numbers: bool = typer.Option(
        False, "--show-numbers", help="Show the numbers of callers and subscribers, too."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """What the running agent does now: calls, alarms, capacity. Exit 1 when it takes no calls, 3
    when none runs."""
    told = _ask(ctx, {"do": "status", "show_numbers": show_numbers})
    if as_json:
        print_json(told)
    else:
        _print(told)
    raise typer.Exit(0 if told["takes_calls"] else 1)


def drain(
    ctx: typer.Context,
    is_waiting: bool = typer.Option(False, "--wait", help="Until the last call is over."),
    timeout_s: float = typer.Option(3600.0, "--timeout", help="Give up waiting; exit 1."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Take no new calls (503, also to OPTIONS) and see the running ones through. The agent goes
    on running; `ivr undrain` takes it back."""
    told = _ask(ctx, {"do": "drain"})
    until = time.monotonic() + timeout_s
    shown = -1
    while is_waiting and told["calls_counted"] and time.monotonic() < until:
        if told["calls_counted"] != shown:
            shown = told["calls_counted"]
            progress.print(f"{shown} calls still run.")
        time.sleep(POLL_S)
        told = _ask(ctx, {"do": "status"})
    _tell(told, as_json)
    raise typer.Exit(1 if is_waiting and told["calls_counted"] else 0)


def undrain(ctx: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """Take calls again after `ivr drain`."""
    _tell(_ask(ctx, {"do": "undrain"}), as_json)


def _ask(ctx: typer.Context, request: dict[str, object]) -> dict[str, Any]:
    return ask(context.of(ctx).settings.storage.root.absolute(), request)


def _tell(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    state = "draining" if told["is_draining"] else "taking calls"
    console.print(f"{state}; {told['calls_counted']} calls run.", markup=False)


def _print(told: dict[str, Any]) -> None:
    def say(text: str) -> None:
        console.print(text, markup=False)

    refusal = told["refusal"]
    state = "takes calls" if refusal is None else f"takes NO calls: {refusal['detail']}"
    say(f"ivr {told['version']}, pid {told['pid']}, {told['restarts']} restarts: {state}")
    say(
        f"calls {told['calls_counted']} of {told['max_calls']}, slots {told['slots_in_use']} of "
        f"{told['slots']}, recognition {told['recognition_lag_s']} s behind, "
        f"{told['free_mb']} MB free"
    )
    for call in told["calls"]:
        numbers = f" {call['caller']} → {call['subscriber']}" if "caller" in call else ""
        say(f"  {call['call_id']} {call['mode']} {call['since_s']:.0f} s{numbers}")
    for alarm in told["alarms"]:
        say(f"ALARM {alarm['code']} {alarm['call_id']} since {alarm['since']}: {alarm['text_vi']}")
        say(f"      {alarm['text_en']} {alarm['detail']}")
    say(
        f"refused by the workers {told['refused_at_gate']}, "
        f"dropped by the kernel {told['strangers_dropped']}"
    )
    for title, name in (("refused", "refused_sources"), ("strangers, at least", "strangers")):
        if told[name]:
            say(f"{title}:")
        for address, times in told[name].items():
            say(f"  {times:>8} {address}")
