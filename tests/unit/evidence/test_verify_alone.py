"""The verifier stands alone: one file, Python, `cryptography`; and its JSON is RFC 8785."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import cffi
import cryptography

from ivr.evidence import verifier

SOURCE = Path(verifier.__file__)


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
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 300  # so that whoever has to trust it can read it
    assert max(map(len, lines)) <= 100


def test_copied_out_of_the_house_it_still_works(sealed_once, tmp_path):
    site, case = sealed_once
    alone = tmp_path / "usb" / "verifier.py"
    alone.parent.mkdir()
    shutil.copy(SOURCE, alone)
    shutil.copytree(case, tmp_path / "usb" / "case")
    (tmp_path / "usb" / "proof.json").write_bytes(site.log.inclusion(case.name))
    libraries = only_cryptography(tmp_path / "libraries")

    good = run(
        alone,
        tmp_path / "usb" / "case",
        "--key",
        site.public_key,
        "--keyring",
        site.root / "keys" / "keyring.jsonl",
        "--inclusion",
        tmp_path / "usb" / "proof.json",
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
    assert " 3. FAIL files: derived/caller.wav was changed" in bad.stdout
    assert bad.stdout.endswith("RESULT: NOT as it was sealed.\n")
    assert bad.stderr == ""


def test_called_wrongly_it_says_how(tmp_path):
    wrong = run(SOURCE, libraries=only_cryptography(tmp_path / "libraries"))
    assert wrong.returncode == 2
    assert "usage:" in wrong.stderr
