"""``ivr serve``: answer calls until stopped."""

import asyncio
import signal

import typer

from ivr.cli import context
from ivr.cli.output import progress, run
from ivr.settings import Settings


def serve(ctx: typer.Context) -> None:
    """Answer forwarded calls until stopped (Ctrl-C, SIGTERM).

    On stop, new calls get 503 and running ones are seen through; a second signal ends them too.
    Cases that an earlier process left open are sealed first.
    """
    run(_serve(context.of(ctx).settings))


async def _serve(settings: Settings) -> None:
    from ivr.app import open_house, open_mirror, serve
    from ivr.clock import SystemClock
    from ivr.telephony.pool import WorkerPool

    if not settings.subscribers:
        progress.print(
            "[yellow]No subscribers are configured: every call will be refused with 404. "
            "Add \\[\\[subscribers]] to the settings (see `ivr config show`).[/]"
        )
    until = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with open_house(settings) as house:
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
        async with pool, open_mirror(house) as mirror:
            serving = asyncio.create_task(serve(house, pool, until, mirror))

            def stop() -> None:
                if until.is_set():
                    serving.cancel()
                until.set()

            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop)
            for host, port in pool.addresses:
                progress.print(f"Listening on sip:{host}:{port} (UDP and TCP), four calls.")
            if mirror is not None:
                host, port = mirror.address
                progress.print(f"Taking mirrored calls on sip:srs@{host}:{port} (UDP and TCP).")
            await serving
