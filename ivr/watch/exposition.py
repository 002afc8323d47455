"""HTTP for machines that watch: `/metrics` (OpenMetrics), `/healthz`, `/readyz`.

A thread of its own answers, so that a stuck event loop is told and does not hang the asker.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from ivr.errors import EnvironmentProblem
from ivr.settings import MetricsSettings
from ivr.watch.capacity import Refusal

PATIENCE_S = 5.0
AT_ONCE = 16
"""Requests answered at once; a further connection is closed unanswered."""

_OK, _UNAVAILABLE, _NOT_FOUND = "200 OK", "503 Service Unavailable", "404 Not Found"


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE_S  # a peer that sends nothing holds a thread no longer than this

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by http.server
        """Requests of a monitor every few seconds are no news."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        self._places = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that went away in mid-answer is its own business."""


class _Server6(_Server):
    address_family = socket.AF_INET6


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


@contextlib.contextmanager
def exposed(app: Exposition, settings: MetricsSettings) -> Iterator[str]:
    """Answer until the end of the block; yields the address, empty when it is off.

    Raises:
        EnvironmentProblem: the port is taken.
    """
    if settings.port == 0:
        yield ""
        return
    kind = _Server6 if ":" in settings.bind else _Server
    try:
        server = make_server(settings.bind, settings.port, app, kind, _Handler)
    except OSError as problem:
        raise EnvironmentProblem(
            f"The metrics port {settings.port} on {settings.bind} cannot be opened.",
            why=problem.strerror or str(problem),
            remedy="Choose another [metrics] port; 0 turns it off.",
        ) from problem
    thread = threading.Thread(target=server.serve_forever, name="exposition", daemon=True)
    thread.start()
    host = f"[{settings.bind}]" if ":" in settings.bind else settings.bind
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)
