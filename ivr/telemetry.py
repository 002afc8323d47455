"""Structured logs. Personal data lives only in fields named ``pii_*`` and is masked from info up.

Progress and logs go to standard error; standard output belongs to results.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_DIGITS = re.compile(r"\+?\d[\d .\-()]{6,}\d")


def _mask(text: str) -> str:
    """Keep the last two characters of a personal value, so two log lines can be told apart."""
    return "…" + text[-2:] if len(text) > 4 else "…"


def _mask_value(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {inner: _mask_value(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mask_value(key, item) for item in value]
    if key.startswith("pii_"):
        return None if value is None else _mask(str(value))
    if key in {"exception", "event"} and isinstance(value, str):
        return _DIGITS.sub("…", value)
    return value


def mask_personal_data(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Processor: mask ``pii_*`` at any depth, and number-like text in messages and tracebacks."""
    return {key: _mask_value(key, value) for key, value in event.items()}


def configure(
    level: Literal["debug", "info", "warning", "error"] = "info",
    style: Literal["console", "json"] = "console",
) -> None:
    """Set up logging for this process, standard library loggers included."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if level != "debug":
        shared.append(mask_personal_data)
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("asyncio", "aiosqlite", "httpx", "httpcore", "mail.log", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a room."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound
