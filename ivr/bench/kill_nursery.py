"""Starts agents without waiting for imports: ``python -m ivr.bench.kill_nursery``, a line an agent.

Everything is imported once; for each line (settings file, TAB, log file) a forked child becomes the
leader of a process group and runs ``ivr serve --alone`` with those settings. Its process id is
printed. Children that end are collected by the kernel.
"""

import importlib
import os
import runpy
import signal
import sys
from typing import NoReturn

LOADED = ("ivr.app", "ivr.cli.main", "ivr.cli.serve")
"""What the program of an agent loads; it is started here, not used."""


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for name in LOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        settings, log = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            _serve(settings, log)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


def _serve(settings: str, log: str) -> NoReturn:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    said = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for source, target in ((nowhere, 0), (nowhere, 1), (said, 2)):
        os.dup2(source, target)
    sys.argv = ["ivr", "--settings", settings, "serve", "--alone"]
    try:
        runpy.run_module("ivr", run_name="__main__")
    finally:
        os._exit(1)  # never back into the loop of the parent


if __name__ == "__main__":
    main()
