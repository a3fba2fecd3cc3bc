"""A process that has imported the house, and forks for each command line it is told to run.

Importing takes two seconds of processor time, most of what a short command takes at all. Each
order is a line of JSON (`words`, `folder`, `environment`, and files for `out` and `err`), each
answer a line with the exit code. It ends with its standard input.
"""

import gc
import importlib
import json
import os
import pkgutil
import signal
import sys
import threading

import twinstile
from twinstile import cli

PATIENCE_S = 90
"""Less than a test may take, so that a command that hangs does not outlast its test."""

for module in pkgutil.walk_packages(twinstile.__path__, "twinstile."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
gc.freeze()  # else each fork looks through everything, and so copies it
assert threading.active_count() == 1, "a fork would lose the other threads"


def become(order: dict) -> None:
    """Be the process of that command line, to the end."""
    signal.alarm(PATIENCE_S)
    for number, path in enumerate((os.devnull, order["out"], order["err"])):
        os.dup2(os.open(path, os.O_RDWR), number)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["twinstile", *order["words"]]
    cli.main()


for line in sys.stdin:
    if not (child := os.fork()):
        become(json.loads(line))
        sys.exit()
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 # the answer
