"""The verifier stands alone: one file, Python, `cryptography`; and its JSON is RFC 8785."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cffi
import cryptography
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ivr.evidence import verify

SOURCE = Path(verify.__file__)


def run(*arguments: object, libraries: Path) -> subprocess.CompletedProcess[str]:
    """In an interpreter without site-packages: only ``libraries`` is added to the path."""
    start = (
        "import runpy, sys; sys.path.append(sys.argv[1]); sys.argv[:] = sys.argv[2:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-I", "-S", "-c", start, libraries, *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)


def only_cryptography(folder: Path) -> Path:
    """A folder with `cryptography` and what it is made of, and nothing else."""
    packages = Path(cryptography.__file__).parent.parent
    folder.mkdir()
    for name in ("cryptography", "cffi"):
        (folder / name).symlink_to(packages / name)
    for binary in packages.glob("_cffi_backend*"):
        (folder / binary.name).symlink_to(binary)
    assert Path(cffi.__file__).parent == packages / "cffi"
    return folder


def test_it_imports_the_standard_library_and_cryptography_only():
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    modules = {
        n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names
    }
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.split(".")[0] for name in modules}
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}


def test_copied_out_of_the_house_it_still_works(sealed_once, tmp_path):
    site, case = sealed_once
    alone = tmp_path / "usb" / "verify.py"
    alone.parent.mkdir()
    shutil.copy(SOURCE, alone)
    shutil.copytree(case, tmp_path / "usb" / "case")
    libraries = only_cryptography(tmp_path / "libraries")

    good = run(
        alone,
        tmp_path / "usb" / "case",
        "--key",
        site.public_key,
        "--site-log",
        site.log_path,
        libraries=libraries,
    )
    assert good.returncode == 0, good.stderr
    assert good.stdout.splitlines()[0].startswith(" 1. ok   structure:")
    assert good.stdout.endswith("RESULT: as it was sealed.\n")

    wav = tmp_path / "usb" / "case" / "derived" / "caller.wav"
    wav.chmod(0o600)
    wav.write_bytes(wav.read_bytes().replace(b"RIFF", b"RIFX"))
    bad = run(alone, tmp_path / "usb" / "case", libraries=libraries)
    assert bad.returncode == 1
    assert " 5. FAIL files: derived/caller.wav was changed" in bad.stdout
    assert bad.stdout.endswith("RESULT: NOT as it was sealed.\n")
    assert bad.stderr == ""


def test_called_wrongly_it_says_how(tmp_path):
    wrong = run(SOURCE, libraries=only_cryptography(tmp_path / "libraries"))
    assert wrong.returncode == 2
    assert "usage:" in wrong.stderr


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(value=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values))
def test_its_own_canonical_json_agrees_with_the_library(value):
    data = rfc8785.dumps(value)
    assert verify.jcs(value).encode() == data
    assert verify.parse(data, "it") == json.loads(data)


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_spelt_as_ecmascript_spells_them(value):
    assert verify.jcs(value).encode() == rfc8785.dumps(value)
