"""A power cut at any moment: what a process wrote is recorded (strace), and rebuilt as a disk may
leave it.

POSIX promises nothing of what was not flushed: a file's bytes survive from its last ``fsync`` or
``fdatasync``, its name from the last ``fsync`` of its folder. `Disk` holds both, what programs see
and what is promised, and lays out three outcomes of a cut: only what is promised; names without
their bytes (as file systems leave that write names first); and some of what was not promised.
"""

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CALLS = (
    "open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,"
    "write,pwrite64,writev,fsync,fdatasync,ftruncate,truncate,close,lseek,link,linkat,symlink"
)
_LINE = re.compile(r"^(\d+) +(\d+\.\d+) (.*)$")
_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)", re.S)
_HEX = re.compile(r'^"((?:\\x[0-9a-f]{2})*)"$')


@dataclass(frozen=True)
class Op:
    """One system call that succeeded. ``at_s``: when it returned, seconds since 1970."""

    at_s: float
    name: str
    arguments: tuple[str, ...]
    result: int


def recorded(command: Sequence[str], log: Path) -> list[Op]:
    """Run a program to its end and give what it did to files, in order."""
    strace = ("strace", "-f", "-ttt", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-o", log)
    subprocess.run([*strace, *command], check=True, timeout=120)
    return list(_ops(log.read_text(encoding="ascii").splitlines()))


def _ops(lines: Sequence[str]) -> Iterator[Op]:
    begun: dict[str, str] = {}
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        thread, at, text = found.groups()
        if text.endswith(" <unfinished ...>"):
            begun[thread] = text.removesuffix(" <unfinished ...>")
            continue
        if text.startswith("<... "):
            text = begun.pop(thread) + text.partition(" resumed>")[2]
        call = _CALL.match(text)
        if call is not None and int(call[3]) >= 0:
            yield Op(float(at), call[1], tuple(_split(call[2])), int(call[3]))


def _split(arguments: str) -> list[str]:
    return arguments.split(", ")  # strings are all hexadecimal: no comma is in one


def text_of(argument: str) -> bytes:
    """A string argument."""
    found = _HEX.match(argument)
    assert found is not None, argument[:80]
    return bytes.fromhex(found[1].replace("\\x", ""))


@dataclass(eq=False)
class Inode:
    """A file or folder: as programs see it, and as it is promised after a cut."""

    is_folder: bool
    data: bytearray = field(default_factory=bytearray)
    names: dict[str, "Inode"] = field(default_factory=dict)
    kept_data: bytes = b""
    kept_names: dict[str, "Inode"] = field(default_factory=dict)

    def flush(self) -> None:
        self.kept_data, self.kept_names = bytes(self.data), dict(self.names)


@dataclass(eq=False)
class _Handle:
    inode: Inode
    at: int = 0
    appends: bool = False


class Disk:
    """What lies under one folder. What is there at the start is promised."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top = _load(root)
        self._handles: dict[int, _Handle] = {}

    def apply(self, op: Op) -> bool:
        """Returns whether it changed what is promised."""
        act = getattr(self, f"_{op.name}", None)
        return bool(act(op)) if act is not None else False

    # --- system calls ----------------------------------------------------------------------------

    def _openat(self, op: Op) -> None:
        self._handles.pop(op.result, None)
        where = self._find(op.arguments[1], op.arguments[0])
        if where is None:
            return
        folder, name = where
        flags = op.arguments[2]
        inode = folder.names.get(name) if name else folder
        if inode is None:
            assert "O_CREAT" in flags, op
            inode = folder.names[name] = Inode(is_folder=False)
        if "O_TRUNC" in flags:
            inode.data.clear()
        self._handles[op.result] = _Handle(inode, appends="O_APPEND" in flags)

    def _close(self, op: Op) -> None:
        self._handles.pop(int(op.arguments[0]), None)

    def _mkdir(self, op: Op) -> None:
        where = self._find(op.arguments[0])
        if where is not None:
            where[0].names[where[1]] = Inode(is_folder=True)

    def _rename(self, op: Op) -> None:
        old, new = self._find(op.arguments[0]), self._find(op.arguments[1])
        if old is not None and new is not None:
            new[0].names[new[1]] = old[0].names.pop(old[1])

    def _unlink(self, op: Op) -> None:
        self._remove(self._find(op.arguments[0]))

    _rmdir = _unlink

    def _unlinkat(self, op: Op) -> None:
        self._remove(self._find(op.arguments[1], op.arguments[0]))

    def _write(self, op: Op) -> None:
        handle = self._handles.get(int(op.arguments[0]))
        if handle is not None:
            at = len(handle.inode.data) if handle.appends else handle.at
            handle.inode.data[at : at + op.result] = text_of(op.arguments[1])[: op.result]
            handle.at = at + op.result

    def _lseek(self, op: Op) -> None:
        if (handle := self._handles.get(int(op.arguments[0]))) is not None:
            handle.at = op.result

    def _ftruncate(self, op: Op) -> None:
        if (handle := self._handles.get(int(op.arguments[0]))) is not None:
            del handle.inode.data[int(op.arguments[1]) :]

    def _fsync(self, op: Op) -> bool:
        handle = self._handles.get(int(op.arguments[0]))
        if handle is None:
            return False
        handle.inode.flush()
        return True

    _fdatasync = _fsync

    def _unforeseen(self, op: Op) -> None:
        raise AssertionError(f"the tool does not know {op.name}: teach it")

    _pwrite64 = _writev = _renameat = _renameat2 = _link = _linkat = _symlink = _unforeseen
    _truncate = _creat = _open = _mkdirat = _unforeseen

    # --- outcomes of a cut -----------------------------------------------------------------------

    def lay_out(self, to: Path, luck: random.Random | None = None, *, names: bool = False) -> None:
        """Write the disk after a cut to ``to``.

        Args:
            luck: decides of each thing that was not promised; None: nothing of it survives.
            names: every name survives, of bytes only those that are promised.
        """
        _lay_out(self.top, to, luck, names)

    # --- inside ----------------------------------------------------------------------------------

    def _find(self, path: str, at: str = "AT_FDCWD") -> tuple[Inode, str] | None:
        """(folder, name in it); None when it is not under the root."""
        name = text_of(path).decode()
        if name.startswith("/"):
            if name.rstrip("/") == str(self.root):
                return self.top, ""
            if not name.startswith(f"{self.root}/"):
                return None
            inode, name = self.top, name[len(str(self.root)) + 1 :]
        elif at.lstrip("-").isdigit() and int(at) in self._handles:
            inode = self._handles[int(at)].inode
        else:
            return None
        *folders, last = name.rstrip("/").split("/")
        for folder in folders:
            inode = inode.names[folder]
        return inode, last

    def _remove(self, where: tuple[Inode, str] | None) -> None:
        if where is not None:
            del where[0].names[where[1]]


def _load(path: Path) -> Inode:
    inode = Inode(path.is_dir())
    if inode.is_folder:
        inode.names = {child.name: _load(child) for child in path.iterdir()}
    else:
        inode.data = bytearray(path.read_bytes())
    inode.flush()
    return inode


def _lay_out(inode: Inode, to: Path, luck: random.Random | None, names: bool) -> None:
    if inode.is_folder:
        to.mkdir(mode=0o700)
        is_lucky = names or (luck is not None and luck.random() < 0.5)
        for name, child in (inode.names if is_lucky else inode.kept_names).items():
            _lay_out(child, to / name, luck, names)
    else:
        is_lucky = luck is not None and luck.random() < 0.5
        to.touch(mode=0o600)
        to.write_bytes(inode.data if is_lucky else inode.kept_data)
