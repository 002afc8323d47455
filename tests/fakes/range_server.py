"""A real HTTP server for downloads, with the faults that downloads meet."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Published:
    """What the server gives out, and how badly.

    Args:
        content: the file.
        has_range: whether Range requests are honoured (RFC 9110, 14.2).
        etag: strong validator, compared with If-Range.
        cut_after: for each request in turn, close the connection after so many body bytes.
        status: answer this status instead.
        requests: (Range, If-Range) headers of the requests that came.
    """

    content: bytes
    has_range: bool = True
    etag: str = '"one"'
    cut_after: list[int] = field(default_factory=list)
    status: int = 0
    requests: list[tuple[str | None, str | None]] = field(default_factory=list)


def _handler(published: Published) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted, if_range = self.headers["Range"], self.headers["If-Range"]
            published.requests.append((wanted, if_range))
            if published.status:
                self.send_error(published.status)
                return
            start = 0
            if wanted and published.has_range and if_range in (None, published.etag):
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            total = len(published.content)
            if start >= total:
                self.send_error(416)
                return
            body = published.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", published.etag)
            self.end_headers()
            if published.cut_after:
                body = body[: published.cut_after.pop(0)]
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Quiet: tests look at `Published.requests`."""

    return Handler


@contextmanager
def serve(published: Published) -> Iterator[str]:
    """Serves on a free loopback port; gives the address of the file."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(published))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/model.zip"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
