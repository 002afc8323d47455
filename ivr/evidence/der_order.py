"""Certificates of a time-stamp in the order that DER wants (X.690, 11.6).

`openssl ts`, and authorities that run on it, send a chain in the order of their files.
rfc3161-client refuses such answers whole and has no switch for it, hence these lines. The
certificates stand outside of what is signed, and sorting them changes no length, so nothing else
is touched.
"""

from collections.abc import Iterator

_SEQUENCE, _CONTEXT_0 = 0x30, 0xA0


def sorted_certificates(answer: bytes) -> bytes:
    """A TimeStampResp (RFC 3161) with its certificates sorted; anything else as it was."""
    try:
        start, end = _certificates(answer)
        found = sorted(answer[a:b] for _, a, _, b in _children(answer, start, end))
    except (ValueError, IndexError):  # no such structure: the parser says what is wrong with it
        return answer
    return answer[:start] + b"".join(found) + answer[end:]


def _certificates(answer: bytes) -> tuple[int, int]:
    """Where the content of SignedData.certificates begins and ends (RFC 5652, 5.1)."""
    start, end = _only(answer, 0, len(answer), _SEQUENCE)
    _, token = _children(answer, start, end)  # status, token
    start, end = _only(answer, token[2], token[3], _CONTEXT_0)
    start, end = _only(answer, start, end, _SEQUENCE)
    return _only(answer, start, end, _CONTEXT_0)


def _only(data: bytes, start: int, end: int, tag: int) -> tuple[int, int]:
    """Content of the first child with ``tag``."""
    for found, _, content, after in _children(data, start, end):
        if found == tag:
            return content, after
    raise ValueError(f"no element {tag:#x}")


def _children(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Tag, start, start of content, end of each element in ``data[start:end]``."""
    while start < end:
        content, length = start + 2, data[start + 1]
        if length & 0x80:
            content += length & 0x7F
            length = int.from_bytes(data[start + 2 : content])
        after = content + length
        if after > end or data[start + 1] == 0x80:
            raise ValueError("cut short, or of indefinite length")
        yield data[start], start, content, after
        start = after
