"""A message as the user data of short messages (3GPP TS 23.040), one or several parts."""

from dataclasses import dataclass

from ivr.reporting.gsm import BASIC, EXTENDED

GSM7 = 0x00  # data_coding of SMPP: the centre's default alphabet, one septet an octet
UCS2 = 0x08
_MOST_PARTS = 255
_SINGLE_OCTETS = {GSM7: 160, UCS2: 140}
_PART_OCTETS = {GSM7: 153, UCS2: 134}
# 3GPP TS 23.038, table of the default alphabet, by code; \x1b leads to the extension table.
_TABLE = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_CODES = {letter: bytes([code]) for code, letter in enumerate(_TABLE) if letter in BASIC}
_CODES |= {
    letter: bytes([0x1B, code])
    for letter, code in zip(
        "\f^{}\\[~]|€", b"\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65", strict=True
    )
}
_ESCAPE = 0x1B
_LETTERS = {code: letter for letter, code in _CODES.items()}


@dataclass(frozen=True, slots=True)
class SmsPart:
    """``data``: user data with its header in front when ``has_header``."""

    data: bytes
    coding: int
    has_header: bool


def sms_parts(text: str, reference: int) -> tuple[SmsPart, ...]:
    """Encode and split; neither an escape pair nor a surrogate pair is ever parted.

    Own code: ``smpplib.gsm`` splits escape pairs, lacks two letters, and picks the reference by
    chance, so that a repeated message would be another one.

    Args:
        reference: 0-255, the same for all parts of a message.

    Raises:
        ValueError: more than 255 parts.
    """
    is_gsm = all(letter in BASIC or letter in EXTENDED for letter in text)
    coding = GSM7 if is_gsm else UCS2
    letters = [_CODES[x] if is_gsm else x.encode("utf-16-be") for x in text]
    whole = b"".join(letters)
    if len(whole) <= _SINGLE_OCTETS[coding]:
        return (SmsPart(whole, coding, has_header=False),)
    pieces = [b""]
    for letter in letters:
        if len(pieces[-1]) + len(letter) > _PART_OCTETS[coding]:
            pieces.append(b"")
        pieces[-1] += letter
    if len(pieces) > _MOST_PARTS:
        raise ValueError(f"{len(pieces)} parts; a message has at most {_MOST_PARTS}")
    count = len(pieces)
    return tuple(
        SmsPart(bytes([5, 0, 3, reference, count, n]) + piece, coding, has_header=True)
        for n, piece in enumerate(pieces, start=1)
    )


def from_septets(data: bytes) -> str:
    """The text of octets that hold one septet each; what the alphabet lacks as U+FFFD."""
    text, letters = "", iter(data)
    for code in letters:
        pair = bytes([code, next(letters, 0)]) if code == _ESCAPE else bytes([code])
        text += _LETTERS.get(pair, "\ufffd")
    return text
