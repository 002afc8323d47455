"""Rules of the house that a linter does not know."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from ivr import errors
from ivr.settings import PROJECT_ROOT

SOURCES = sorted((PROJECT_ROOT / "ivr").rglob("*.py"))
VENDORS = {"pjsua2": "telephony", "vosk": "recognition", "webrtcvad": "recognition", "av": "media"}


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_a_file_is_one_thing(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert path.stem not in {"utils", "helpers", "common", "base", "manager", "misc"}


def test_each_vendor_is_known_to_one_room_only():
    for path in SOURCES:
        room = path.relative_to(PROJECT_ROOT / "ivr").parts[0]
        for vendor, owner in VENDORS.items():
            assert vendor not in imports(path) or room == owner, f"{path} imports {vendor}"


def test_facts_import_nothing_of_the_house():
    for path in (PROJECT_ROOT / "ivr/facts").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ivr"):
                assert node.module.startswith("ivr.facts"), path


def test_every_error_of_the_family_says_what_why_and_remedy():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            kind = getattr(errors, node.func.id, None)
            if isinstance(kind, type) and issubclass(kind, errors.IvrError):
                given = {keyword.arg for keyword in node.keywords}
                assert {"why", "remedy"} <= given or None in given, f"{path}:{node.lineno}"


def test_no_machine_path_or_registry_stands_in_a_tracked_file():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT_ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    parts = ("/wor" + "k/", "../sha" + "red/", "pythonhos" + "ted.org", "pyp" + "i.org")
    forbidden = re.compile("|".join(re.escape(part) for part in parts))
    for name in tracked:
        path = PROJECT_ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".lock", ".yaml", ".txt", ".cfg", ""}:
            text = path.read_text(encoding="utf-8", errors="ignore") if path.is_file() else ""
            assert not forbidden.search(text), name
