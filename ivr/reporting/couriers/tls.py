"""How every courier checks the server it speaks TLS with."""

import ssl
from pathlib import Path

from ivr.errors import SettingsError


def client_context(ca_file: Path | None, setting: str, what: str) -> ssl.SSLContext:
    """The system's certificates, and those of ``ca_file`` besides.

    Args:
        setting: name of the setting that names the file.
        what: cannot be done when the file is unusable; the error's first sentence.

    Raises:
        SettingsError: the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as problem:
            raise SettingsError(
                what, why=f"{setting} {ca_file}: {problem}", remedy="Give a readable PEM file."
            ) from problem
    return context
