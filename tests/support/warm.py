"""A Python that has imported the big libraries once; each script then runs in a fork of it (support/scripts.py).

Starting Python, torch and scipy takes longer than most scripts do. A fork has the script's own modules to import, with
the words, the folder and the path that a start of its own would give to it, and ends as any Python does.

A request is a line of JSON on standard input: {"words": [SCRIPT, ARG...], "cwd": …, "out": FILE, "err": FILE}. When the
script has ended, a line with its exit status is the answer, -N for signal N.
"""

import gc
import json
import os
import runpy
import sys
from pathlib import Path

import kaldiio  # noqa: F401
import numpy  # noqa: F401
import pydantic  # noqa: F401
import scipy.optimize
import scipy.signal
import scipy.stats  # noqa: F401
import soundfile  # noqa: F401
import torch  # noqa: F401
import tqdm  # noqa: F401
import yaml  # noqa: F401


def serve() -> list[str]:
    """Answer requests; in a fork, return its words with everything set up for the script."""
    gc.freeze()  # what is imported stays for good: no fork looks through it again, not even at its end
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, request["out"], os.O_WRONLY | os.O_CREAT),
                                        (2, request["err"], os.O_WRONLY | os.O_CREAT)):  # fmt: skip
                file = os.open(name, flags, 0o644)
                os.dup2(file, number)
                os.close(file)
            sys.stdin = os.fdopen(0)
            os.setsid()
            os.chdir(request["cwd"])
            return request["words"]
        status = os.waitpid(child, 0)[1]
        print(os.waitstatus_to_exitcode(status), flush=True)
    sys.exit(0)


sys.argv = serve()
sys.path[0] = str(Path(sys.argv[0]).parent)
runpy.run_path(sys.argv[0], run_name="__main__")
