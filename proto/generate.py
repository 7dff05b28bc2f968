"""Generate the Python code of the gRPC services into services/common, or check that it is current.

    python proto/generate.py           lint, then write services/common/src/orloop/...
    python proto/generate.py --check   lint, compare with what is written, refuse what breaks a published contract

contracts/published-grpc.json holds what was published: a message may grow but never change its meaning.
"""

import filecmp
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

PROTO = Path(__file__).parent
ROOT = PROTO.parent
OUT = ROOT / "services/common/src"
PUBLISHED = ROOT / "contracts/published-grpc.json"
BUF = Path(sys.executable).with_name("buf")


def sources() -> list[str]:
    """Return every .proto file, relative to this folder."""
    return sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))


def generate(out: Path) -> list[Path]:
    """Write the modules, their type stubs and the packages they live in; return what was written."""
    from grpc_tools import protoc

    includes = [f"-I{PROTO}", f"-I{files('grpc_tools') / '_proto'}"]
    outputs = [f"--{kind}={out}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    if protoc.main(["protoc", *includes, *outputs, *sources()]):
        sys.exit("Expected the .proto files to compile, got the errors above.")
    for path in {parent for source in sources() for parent in Path(source).parents if parent != Path()}:
        marker = out / path / "__init__.py"
        if not marker.exists():
            marker.write_text("")
    return sorted(path.relative_to(out) for path in (out / "orloop").rglob("*.py*") if path.suffix != ".pyc")


def lint() -> None:
    """Run buf's lint; exit with its findings."""
    if subprocess.run([BUF, "lint", PROTO], check=False).returncode:
        sys.exit("Expected the .proto files to pass `buf lint`, got the findings above.")


def check_current() -> None:
    """Exit unless the committed code is what the .proto files give."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = generate(Path(scratch))
        stale = [path for path in fresh if not _same(Path(scratch) / path, OUT / path)]
    if stale:
        sys.exit(f"Expected generated code to be current, got another {stale[0]}.\nMaybe run: make proto")


def _same(fresh: Path, written: Path) -> bool:
    return written.exists() and (fresh.name == "__init__.py" or filecmp.cmp(fresh, written, shallow=False))


def breaking(protos: Path = PROTO) -> str:
    """What `protos` would break for readers of the published contracts, in buf's words; empty if nothing."""
    done = subprocess.run(
        [BUF, "breaking", protos, "--against", PUBLISHED], capture_output=True, text=True, check=False
    )
    return (done.stdout + done.stderr).strip() if done.returncode else ""


def check_breaking() -> None:
    """Exit if a published message or service changed in a way that its readers would not survive."""
    if findings := breaking():
        sys.exit(f"{findings}\nExpected no breaking change of a published contract, got these.\nMaybe add a v2.")


def publish() -> None:
    """Freeze the contracts as they are, unless they break what was published; then exit."""
    if PUBLISHED.exists():
        check_breaking()
    subprocess.run([BUF, "build", PROTO, "--exclude-source-info", "-o", PUBLISHED], check=True)


def main() -> None:
    """Lint, then generate or check."""
    if not sources():
        print("  no .proto files yet")
        return
    lint()
    if "--check" in sys.argv:
        check_current()
        check_breaking()
    else:
        print(f"{len(generate(OUT))} files under {OUT.relative_to(ROOT)}/orloop")


if __name__ == "__main__":
    main()
