"""Which program made the case: version and digest of the code that runs, git or not."""

import hashlib
import platform
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
_LIBRARIES = ("pjsua2-python", "vosk", "numpy", "av", "cryptography", "joserfc")


@dataclass(frozen=True, slots=True)
class Software:
    """The program as it stands in the manifest.

    Args:
        package_sha256: over the sorted lines ``<sha256>  <path>`` of the package's .py files,
            as `sha256sum` prints them; the same code gives the same digest wherever it lies.
        libraries: versions of the libraries a finding depends on.
    """

    name: str
    version: str
    package_sha256: str
    python: str
    libraries: dict[str, str]


@cache
def running_software() -> Software:
    """Read once a process; later changes on disk are not what runs."""
    return Software(
        name="ivr",
        version=_version("ivr"),
        package_sha256=package_digest(PACKAGE),
        python=platform.python_version(),
        libraries={name: _version(name) for name in _LIBRARIES},
    )


def package_digest(package: Path) -> str:
    """See `Software.package_sha256`."""
    lines = []
    for file in sorted(package.rglob("*.py"), key=lambda p: p.relative_to(package).as_posix()):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        lines.append(f"{digest}  {file.relative_to(package).as_posix()}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
