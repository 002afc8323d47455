"""What the options before the command name set up."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import typer

from ivr import settings as settings_module
from ivr import telemetry
from ivr.settings import Settings


@dataclass
class CommandContext:
    """The settings file and data folder that were named, read when first needed."""

    settings_file: Path | None
    data: Path | None
    is_verbose: bool

    @cached_property
    def settings(self) -> Settings:
        loaded = settings_module.load(self.settings_file)
        if self.data is not None:
            storage = loaded.storage.model_copy(update={"root": self.data})
            loaded = loaded.model_copy(update={"storage": storage})
        level = "debug" if self.is_verbose else loaded.log.level
        telemetry.configure(level, loaded.log.format)
        return loaded


def of(ctx: typer.Context) -> CommandContext:
    """The context of a running command."""
    return cast(CommandContext, ctx.obj)
