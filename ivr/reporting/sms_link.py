"""A message ready to be sent from the citizen's own telephone: a link and a QR code.

156 and 5656 take messages from the subscriber's own SIM. The link is RFC 5724's; the telephone's
message program opens with address and text filled in, and nothing is sent until the person does.
"""

import io
from urllib.parse import quote

import segno


def sms_uri(address: str, body: str) -> str:
    """``sms:156?body=…`` (RFC 5724)."""
    return f"sms:{quote(address, safe='+')}?body={quote(body, safe='')}"


def qr_svg(uri: str) -> str:
    """An ``<svg>`` element to stand inside a page; dark on white whatever the page's colours."""
    return str(_code(uri).svg_inline(scale=5, border=4, light="#fff", omitsize=False))


def qr_terminal(uri: str) -> str:
    """Lines of half blocks, for a terminal."""
    out = io.StringIO()
    _code(uri).terminal(out=out, border=2, compact=True)
    return out.getvalue()


def _code(uri: str) -> segno.QRCode:
    # Micro codes are not read by every telephone; level M survives a dirty screen.
    return segno.make(uri, error="m", micro=False)
