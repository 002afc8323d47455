"""HTTP for machines that watch: `/metrics` (OpenMetrics), `/healthz`, `/readyz`.

A thread of its own answers, so that a stuck event loop is told and does not hang the asker.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from prometheus_client import CollectorRegistry, make_wsgi_app

from ivr.settings import MetricsSettings
from ivr.watch.capacity import Refusal
from ivr.watch.http_door import answering

_OK, _UNAVAILABLE, _NOT_FOUND = "200 OK", "503 Service Unavailable", "404 Not Found"


class Exposition:
    """What is told.

    Args:
        registry: of the metrics.
        refusal: why a call would be refused now; called from a thread, must not wait.
        loop_age_s: seconds since the event loop last showed life.
        hang_after_s: an age beyond which the process is not well.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        refusal: Callable[[], Refusal | None],
        loop_age_s: Callable[[], float],
        hang_after_s: float,
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._refusal, self._loop_age_s = refusal, loop_age_s
        self._hang_after_s = hang_after_s

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """WSGI."""
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            told: Iterable[bytes] = self._metrics(environ, start_response)
            return told
        if path == "/healthz":
            return self._health(start_response)
        if path == "/readyz":
            return self._readiness(start_response)
        return _answer(start_response, _NOT_FOUND, {"paths": ["/metrics", "/healthz", "/readyz"]})

    def _health(self, start_response: Any) -> Iterable[bytes]:
        age_s = self._loop_age_s()
        is_well = age_s < self._hang_after_s
        told = {"ok": is_well, "loop_age_s": round(age_s, 1)}
        return _answer(start_response, _OK if is_well else _UNAVAILABLE, told)

    def _readiness(self, start_response: Any) -> Iterable[bytes]:
        refusal = self._refusal()
        if refusal is None:
            return _answer(start_response, _OK, {"ok": True})
        told = {"ok": False, "cause": refusal.cause.value, "detail": refusal.detail}
        return _answer(start_response, _UNAVAILABLE, told)


def _answer(start_response: Any, status: str, told: Mapping[str, object]) -> Iterable[bytes]:
    body = json.dumps(told).encode() + b"\n"
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


def exposed(app: Exposition, settings: MetricsSettings) -> AbstractContextManager[str]:
    """Answer until the end of the block; gives the address, empty when it is off.

    Raises:
        EnvironmentProblem: the port is taken.
    """
    return answering(app, settings.bind, settings.port, "metrics")
