"""Run a command and end it when standard input closes.

The broker does not watch its parent. The launcher holds the write end of this process's standard input:
when the launcher ends, however it ends, the pipe closes and the command is killed.

    python guard.py --pid-file FILE COMMAND...

Exit code: the command's (128 + signal number if a signal ended it).
"""

import os
import signal
import subprocess
import sys
import threading


def _die_with_parent() -> None:
    """On Linux, be killed also when the guard itself is (elsewhere the pipe alone protects)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def main(arguments: list[str]) -> int:
    """Run `--pid-file FILE COMMAND...` under guard and return its exit code."""
    pid_file, command = arguments[1], arguments[2:]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(pid_file + ".new", "w") as handle:
        handle.write(str(child.pid))
    os.replace(pid_file + ".new", pid_file)

    def watch() -> None:
        while os.read(0, 4096):
            pass
        child.kill()

    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
