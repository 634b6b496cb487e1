"""A stand-in for `ssh` that leads to a socket of this machine, whatever host it is asked for."""

import sys
from pathlib import Path

SCRIPT = """#!{python}
import os, select, socket, sys
with open({record!r}, "a") as record:
    print(*sys.argv[1:], file=record)
far = socket.socket(socket.AF_UNIX)
far.connect({path!r})
ends = [0, far]
while far in ends:
    for end in select.select(ends, [], [])[0]:
        data = os.read(0, 65536) if end == 0 else far.recv(65536)
        if not data:
            ends.remove(end)
            if end == 0:
                far.shutdown(socket.SHUT_WR)
        elif end == 0:
            far.sendall(data)
        else:
            while data:
                data = data[os.write(1, data):]
"""


def put(folder: Path, to: str) -> Path:
    """Write the program `ssh` into a folder, to lead to the socket `to`; return the record of its calls."""
    record = folder / "ssh-calls"
    program = folder / "ssh"
    program.write_text(SCRIPT.format(python=sys.executable, record=str(record), path=to))
    program.chmod(0o755)
    return record


def put_failing(folder: Path, says: str, code: int = 255) -> None:
    """Write a program `ssh` that does not get through."""
    program = folder / "ssh"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {code}\n")
    program.chmod(0o755)
