"""A Python that has imported the big libraries once; scripts then run in forks of it.

Starting Python, torch and scipy takes longer than most scripts do. A fork has the script's own modules to import, with
the words, environment and folder that a start of its own would give to it.

    warm.py SOCKET                                  answers on this Unix socket until its standard input ends
    warm.py SOCKET for PYTHON THREADS WORD...       what PYTHON WORD... does, by the one that answers where it can

A request is what `ask` sends. The answer is the exit status, -N for signal N. Until then a byte N asks to send signal N
to the script, and a closed connection kills it. support/scripts.py asks for single scripts. The second form is python3
in a run of run.sh (support/chain.py).
"""

import atexit
import contextlib
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
from pathlib import Path

LENGTH = struct.Struct("!q")


def ask(path: str, words: list[str], environment: dict[str, str], cwd: str, files: list[int]) -> socket.socket:
    """Start a script; the connection answers with its exit status, as LENGTH packs it."""
    request = json.dumps({"words": words, "environment": environment, "cwd": cwd}).encode()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    socket.send_fds(connection, [LENGTH.pack(len(request))], files)
    connection.sendall(request)
    return connection


def answer(connection: socket.socket) -> int:
    """Wait for the exit status of a script."""
    said = connection.recv(LENGTH.size, socket.MSG_WAITALL)
    return LENGTH.unpack(said)[0] if said else -signal.SIGKILL


def stand_in(path: str, python: str, threads: str, words: list[str]) -> None:
    """Hand a script over, or become Python for anything else.

    Args:
        path: socket of a warm Python.
        python: that this stands for.
        threads: OMP_NUM_THREADS of the warm Python. Libraries read it when they are imported.
        words: for Python.
    """
    if not words or not words[0].endswith(".py") or os.environ.get("OMP_NUM_THREADS") != threads:
        os.execv(python, [python, *words])
    connection = ask(path, words, dict(os.environ), os.getcwd(), [0, 1, 2])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, frame: connection.send(bytes([number])))
    status = answer(connection)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


class Server:
    """Starts forks and tells their ends."""

    def __init__(self, path: str):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(0, selectors.EVENT_READ)  # closed by the end of the process of pytest
        given = os.environ.get("PYTHONPATH", "").split(os.pathsep)  # each request brings its own
        self.own_path = [folder for folder in sys.path[1:] if folder not in given]

    def serve(self) -> list[str]:
        """Answer requests for good; in a fork, return its words with everything set up for the script."""
        gc.freeze()  # what is imported stays for good: no fork looks through it again, not even at its end
        children: dict[socket.socket, int] = {}
        while True:
            for key, _ in self.selector.select():
                if key.fileobj == 0:
                    for child in children.values():
                        os.kill(child, signal.SIGKILL)
                    sys.exit(0)
                elif key.fileobj is self.listener:
                    connection, _ = self.listener.accept()
                    if words := self.start(connection, children):
                        return words
                elif isinstance(key.fileobj, socket.socket):
                    self.pass_on(key.fileobj, children)
                else:
                    self.tell(key.data, key.fd, children)

    def start(self, connection: socket.socket, children: dict[socket.socket, int]) -> list[str]:
        """Fork for a request. In the fork, the script's words; here nothing."""
        head, files, _, _ = socket.recv_fds(connection, LENGTH.size, 3)
        missing = LENGTH.unpack(head)[0]
        text = b""
        while len(text) < missing and (piece := connection.recv(missing - len(text))):
            text += piece
        request = json.loads(text)
        child = os.fork()
        if child == 0:
            for key in list(self.selector.get_map().values()):
                if key.fileobj != 0:
                    os.close(key.fd)
            self.selector.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
            os.closerange(3, max(files) + 1)
            sys.stdin = os.fdopen(0)
            os.setpgid(0, 0)
            os.chdir(request["cwd"])
            os.environ.clear()
            os.environ.update(request["environment"])
            words: list[str] = request["words"]
            extra = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
            sys.path[:] = [str(Path(words[0]).parent), *extra, *self.own_path]
            return words
        for file in files:
            os.close(file)
        children[connection] = child
        self.selector.register(connection, selectors.EVENT_READ)
        self.selector.register(os.pidfd_open(child), selectors.EVENT_READ, connection)
        return []

    def pass_on(self, connection: socket.socket, children: dict[socket.socket, int]) -> None:
        """Send the script a signal that the asker names, or kill it when the asker is gone."""
        said = connection.recv(1)
        if connection in children:
            os.kill(children[connection], said[0] if said else signal.SIGKILL)
        if not said:
            self.selector.unregister(connection)

    def tell(self, connection: socket.socket, fd: int, children: dict[socket.socket, int]) -> None:
        """Say how a script ended."""
        self.selector.unregister(fd)
        os.close(fd)
        status = os.waitstatus_to_exitcode(os.waitpid(children.pop(connection), 0)[1])
        if connection in {key.fileobj for key in self.selector.get_map().values()}:
            self.selector.unregister(connection)
        with contextlib.suppress(OSError):  # nobody may wait for it
            connection.sendall(LENGTH.pack(status))
        connection.close()


def run_and_end(script: str) -> None:
    """Run a script and end as Python does, but leave its memory to the kernel: giving it back would take longer."""
    status = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):  # nobody may read it any more
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    if sys.argv[2:]:
        stand_in(sys.argv[1], *sys.argv[3:5], sys.argv[5:])
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

    server = Server(sys.argv[1])
    print(flush=True)  # it listens
    sys.argv = server.serve()
    run_and_end(sys.argv[0])
