"""Name-addr, addr-spec and their URIs (RFC 3261 section 20, RFC 3966), read leniently.

Own parser: identity headers from real networks break the grammar (missing brackets, stray
quotes, spaces in numbers), and each must still yield what it shows. Nothing here raises.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

_SCHEME = re.compile(r"^\s*(sips?|tel|urn):(.*)$", re.IGNORECASE | re.DOTALL)
_TELEPHONE = re.compile(r"^[+\d][\d .()\-]*$")


@dataclass(frozen=True, slots=True)
class SipUri:
    """``scheme:user@host``; ``user`` is percent-decoded, without password and parameters."""

    scheme: str
    user: str | None
    host: str | None


@dataclass(frozen=True, slots=True)
class NameAddr:
    """``"display" <uri>;parameters``; parts that are missing are None."""

    display: str | None
    uri: SipUri | None
    parameters: str


def split_values(value: str) -> tuple[str, ...]:
    """Values of a header that may carry several (RFC 3261 section 7.3.1): commas inside quotes
    or angle brackets do not separate. With an unbalanced quote nothing is split."""
    parts: list[str] = []
    start, quoted, depth, escaped = 0, False, 0, False
    for index, char in enumerate(value):
        if escaped:
            escaped = False
        elif quoted and char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif char == "<":
            depth += 1
        elif char == ">":
            depth = max(0, depth - 1)
        elif char == "," and depth == 0:
            parts.append(value[start:index])
            start = index + 1
    if quoted:
        return (value.strip(),) if value.strip() else ()
    parts.append(value[start:])
    return tuple(part.strip() for part in parts if part.strip())


def parse_name_addr(value: str) -> NameAddr:
    """Read one value; brackets and quotes may be missing."""
    text = value.strip()
    display, rest = _quoted_display(text)
    opening = rest.find("<")
    if opening >= 0:
        shown = display if display is not None else rest[:opening].strip() or None
        inside, _, after = rest[opening + 1 :].partition(">")
        return NameAddr(shown, parse_uri(inside), after.strip().lstrip(";"))
    address, _, parameters = rest.strip().partition(";")
    uri = parse_uri(address)
    if uri is None and display is None:
        return NameAddr(address.strip() or None, None, parameters)
    return NameAddr(display, uri, parameters)


def _quoted_display(text: str) -> tuple[str | None, str]:
    """The quoted string a value starts with (escapes resolved), and what follows it."""
    if not text.startswith('"'):
        return None, text
    shown: list[str] = []
    escaped = False
    for index, char in enumerate(text[1:], start=1):
        if escaped:
            shown.append(char)
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"':
            return "".join(shown).strip() or None, text[index + 1 :]
        else:
            shown.append(char)
    before, bracket, after = text[1:].partition("<")  # the closing quote is missing
    return before.strip() or None, bracket + after


def parse_uri(text: str) -> SipUri | None:
    """Read ``sip:``, ``sips:`` and ``tel:`` URIs, and bare telephone numbers; None for others."""
    found = _SCHEME.match(text)
    if found is None:
        bare = text.strip()
        return SipUri("tel", bare, None) if _TELEPHONE.match(bare) else None
    scheme, rest = found[1].lower(), found[2].strip()
    if scheme == "urn":
        return SipUri("urn", None, None)
    if scheme == "tel":
        return SipUri("tel", _user(rest), None)
    before, at, after = rest.rpartition("@")
    if not at:
        return SipUri(scheme, None, _host(rest))
    return SipUri(scheme, _user(before), _host(after))


def _user(text: str) -> str | None:
    bare = text.split(";", 1)[0].split("?", 1)[0].split(":", 1)[0]
    return unquote(bare, errors="replace").strip() or None


def _host(text: str) -> str | None:
    bare = re.split(r"[;?>]", text, maxsplit=1)[0].strip()
    if bare.startswith("["):
        return bare.partition("]")[0] + "]"
    return bare.split(":", 1)[0] or None
