"""A small HTTP server of the standard library: each request in a thread of its own, few at once.

The event loop has no part in it, so that a stuck loop is told instead of hanging the asker.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from ivr.errors import EnvironmentProblem

PATIENCE_S = 5.0
AT_ONCE = 16
"""Requests answered at once; a further connection is closed unanswered."""

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
"""WSGI (PEP 3333)."""


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE_S  # a peer that sends or takes nothing holds a thread no longer than this

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by http.server
        """Requests of a monitor every few seconds are no news, and a path may be a secret."""


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


@contextlib.contextmanager
def answering(app: App, bind: str, port: int, section: str) -> Iterator[str]:
    """Answer until the end of the block; yields the address, empty when ``port`` is 0: off.

    Args:
        section: of the settings, for the message when the port is taken.

    Raises:
        EnvironmentProblem: the port is taken.
    """
    if port == 0:
        yield ""
        return
    kind = _Server6 if ":" in bind else _Server
    try:
        server = make_server(bind, port, app, kind, _Handler)
    except OSError as problem:
        raise EnvironmentProblem(
            f"The {section} port {port} on {bind} cannot be opened.",
            why=problem.strerror or str(problem),
            remedy=f"Choose another [{section}] port; 0 turns it off.",
        ) from problem
    thread = threading.Thread(target=server.serve_forever, name=f"http-{section}", daemon=True)
    thread.start()
    host = f"[{bind}]" if ":" in bind else bind
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)
