"""``ivr serve``: answer calls until stopped."""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from functools import partial

import typer

from ivr.cli import context
from ivr.cli.output import progress, run
from ivr.settings import Settings
from ivr.watch import supervisor
from ivr.watch.heartbeat import READY, Heartbeat


def serve(
    ctx: typer.Context,
    workers: int | None = typer.Option(
        None, "--workers", min=1, max=64, help="SIP workers, four calls each; else sip.workers."
    ),
    is_supervised: bool = typer.Option(
        True,
        "--supervised/--alone",
        help="Under a supervisor that starts the agent anew when it dies or hangs.",
    ),
) -> None:
    """Answer forwarded calls until stopped (Ctrl-C, SIGTERM).

    On stop, new calls get 503 and running ones are seen through; a second signal ends them too.
    Cases that an earlier process left open are sealed first.
    """
    given = context.of(ctx)
    heartbeat = Heartbeat.from_environment()
    if is_supervised and not heartbeat.is_supervised:
        _become_supervisor(given.settings, "debug" if given.is_verbose else None)
    run(_serve(given.settings.with_workers(workers), heartbeat))


def _become_supervisor(settings: Settings, level: str | None) -> None:
    """This process goes on as the supervisor, and starts the same command as its child."""
    diagnostics = settings.storage.root.absolute() / "diagnostics"
    style = settings.log.format
    line = supervisor.command_line(
        settings.watch.hang_after_s, diagnostics, level or settings.log.level, style
    )
    os.execv(sys.executable, line)  # noqa: S606 - our own module, by its name


async def _serve(settings: Settings, heartbeat: Heartbeat) -> None:
    from ivr.app import open_house, open_mirror, serve, watched
    from ivr.casework.downloads import handing_out
    from ivr.clock import SystemClock
    from ivr.telephony.pool import WorkerPool

    if not settings.subscribers:
        progress.print(
            "[yellow]No subscribers are configured: every call will be refused with 404. "
            "Add \\[\\[subscribers]] to the settings (see `ivr config show`).[/]"
        )
    until = asyncio.Event()
    async with heartbeat.beating(orphaned=until.set), open_house(settings) as house:
        model = house.mind.model
        if model.is_demonstration:
            progress.print(
                f"[yellow]The demonstration model {model.name} is in use: it was trained on a "
                "synthesiser and does not hear people well. `ivr doctor` says how to get a real "
                "one.[/]"
            )
        if house.mind.second is not None:
            progress.print(f"{house.mind.second.model_info.name} listens again after each call.")
        pool = WorkerPool(
            settings.answered_sip,
            SystemClock(),
            may_call=settings.contacts,
            registrations=settings.registrations,
        )
        async with (
            pool,
            open_mirror(house) as mirror,
            watched(house, pool, heartbeat) as metrics,
            AsyncExitStack() as stack,
        ):
            handed = stack.enter_context(handing_out(house))
            ready = partial(heartbeat.say, READY)
            serving = asyncio.create_task(serve(house, pool, until, mirror, ready))
            _stop_by_signal(serving, until, heartbeat)
            for host, port in pool.addresses:
                progress.print(f"Listening on sip:{host}:{port} (UDP and TCP), four calls.")
            if mirror is not None:
                host, port = mirror.address
                progress.print(f"Taking mirrored calls on sip:srs@{host}:{port} (UDP and TCP).")
            if metrics:
                progress.print(f"Metrics on {metrics}/metrics.")
            if handed:
                progress.print(f"Linked recordings on {handed}, told as {settings.links.base_url}.")
            await serving


def _stop_by_signal(
    serving: asyncio.Task[None], until: asyncio.Event, heartbeat: Heartbeat
) -> None:
    """The first signal to stop drains, the second ends calls. Ctrl-C, which a terminal sends to
    every process, comes through the supervisor where there is one."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if until.is_set():
            serving.cancel()
        until.set()

    loop.add_signal_handler(signal.SIGTERM, stop)
    if heartbeat.is_supervised:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    else:
        loop.add_signal_handler(signal.SIGINT, stop)
