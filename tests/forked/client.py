"""Stands for a program that the server has forked: passes signals on to it, and ends as it ends.

    python -IS client.py ADDRESS PYTHON [-u] -m MODULE | -c CODE | FILE [ARGUMENT ...]

PYTHON is the path by which it was started. Imports little, as it is started hundreds of times.
"""

import json
import os
import resource
import signal
import socket
import sys

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def open_files() -> list[int]:
    """The files that whoever started this program left open for it."""
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - pathlib takes as long as all of this
        try:
            if os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:  # the listing's own
            continue
    return sorted(found)


def main() -> None:
    address, python, *arguments = sys.argv[1:]
    files = open_files()
    request = {"python": python, "arguments": arguments, "environment": dict(os.environ), "files": files}
    request["folder"] = os.getcwd()  # noqa: PTH109
    content = json.dumps(request).encode()
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"\0{address}")
    for number in PASSED_ON:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: server.sendall(bytes([number])))
    socket.send_fds(server, [len(content).to_bytes(4, "big")], files)
    server.sendall(content)
    answer = server.recv(4)
    if not answer:
        sys.exit("the server of forked programs has ended")
    status = int.from_bytes(answer, "big", signed=True)
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


main()
