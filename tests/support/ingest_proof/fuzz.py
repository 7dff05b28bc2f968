"""Broken bytes for the door in, for a given time: `make fuzz` (or `python -m ingest_proof.fuzz --minutes 10`).

With atheris (guided by coverage) where it is installed, `pip install atheris`; else by hypothesis, and it says so.
What must hold is in `fuzzing`. A finding ends its target: its bytes are kept in `--keep` and shown.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

TARGETS = ("framing", "tokens", "header", "meaning")  # `fuzzing.TARGETS`, which a parent must not import: it costs time
NO_ATHERIS = "atheris is not installed (pip install atheris): by hypothesis instead, which coverage does not guide."


def main() -> None:
    """All targets, side by side where there are cores."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--target", choices=TARGETS, action="append", help="only this one; may be given again")
    parser.add_argument("--hypothesis", action="store_true", help="by hypothesis even where atheris is installed")
    parser.add_argument("--keep", type=Path, default=Path(".orloop/fuzz"), help="where findings go")
    parser.add_argument("--child", nargs=2, metavar=("TARGET", "SECONDS"), help=argparse.SUPPRESS)
    given, rest = parser.parse_known_args()
    guided = find_spec("atheris") is not None and not given.hypothesis
    if given.child:
        child(given.child[0], float(given.child[1]), guided, rest)
        return
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if not guided and not given.hypothesis:
        print(NO_ATHERIS, flush=True)
    targets = given.target or list(TARGETS)
    jobs = min(len(targets), len(os.sched_getaffinity(0)))
    seconds = 60 * given.minutes * jobs / len(targets)
    given.keep.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        codes = list(pool.map(lambda target: _run(target, seconds, guided, given.keep), targets))
    sys.exit(1 if any(codes) else 0)


def _run(target: str, seconds: float, guided: bool, keep: Path) -> int:
    command = [sys.executable, "-m", "ingest_proof.fuzz", "--child", target, str(seconds)]
    command += [] if guided else ["--hypothesis"]
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{target}-") as corpus:
        if guided:
            command += [f"-artifact_prefix={keep}/{target}-", corpus]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    said = done.stdout + done.stderr
    count = re.findall(r"Done (\d+) runs|number_of_executed_units:\s*(\d+)", said)
    runs = max((int(a or b) for a, b in count), default=0)
    edges = [f", {edges} edges covered" for edges in re.findall(r"cov: (\d+)", said)][-1:]
    verdict = "a FINDING" if done.returncode else "nothing found"
    print(f"{target:8} {runs:>10,} executions in {seconds:.0f} s{''.join(edges)}: {verdict}", flush=True)
    if done.returncode:
        at = said.find("Traceback (most recent call last)")
        print(
            said[at : at + 5000] if at >= 0 else said[-5000:],
            *re.findall(r"Test unit written to \S+", said),
            flush=True,
        )
    return done.returncode


def child(target: str, seconds: float, guided: bool, rest: list[str]) -> None:
    """One target in this process."""
    if guided:
        by_atheris(target, seconds, rest)
    else:
        from . import fuzzing

        quieten()
        print(f"Done {by_hypothesis(fuzzing.TARGETS[target], target, seconds)} runs", flush=True)


def by_atheris(target: str, seconds: float, rest: list[str]) -> None:
    """Guided by the coverage of our own code; never returns."""
    import atheris

    with atheris.instrument_imports(include=["orloop_ingest", "orloop_common.runtime.mllp"]):
        from . import fuzzing
    quieten()
    check = fuzzing.TARGETS[target]
    corpus = Path(rest[-1])
    for number, body in enumerate(fuzzing.templates()):
        text = b"\x07\x0b" + body + b"\x1c\r" if target == "framing" else body
        (corpus / f"seed{number:03d}").write_bytes(text)
    words = corpus.with_name(corpus.name + ".words")
    words.write_text("".join('"' + "".join(f"\\x{b:02x}" for b in mark) + '"\n' for mark in fuzzing.MARKS))

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        if seed % 3:
            return bytes(atheris.Mutate(data, most))
        changes = [(seed >> 3, seed >> 7, seed >> 13), (seed >> 5, seed >> 11, seed >> 2)]
        return fuzzing.changed(data, changes[: 1 + seed % 2])[:most]

    longest = 800 if target == "framing" else 3000
    flags = [
        f"-max_total_time={int(seconds)}",
        f"-max_len={longest}",
        "-len_control=0",
        f"-dict={words}",
        "-timeout=20",
    ]
    atheris.Setup([sys.argv[0], *flags, "-print_final_stats=1", *rest], check, custom_mutator=mutate)
    try:
        atheris.Fuzz()
    finally:
        words.unlink(missing_ok=True)


def by_hypothesis(check: Callable[[bytes], None], target: str, seconds: float, first: int = 0) -> int:
    """Rounds of examples until the time is over; how many. A failing example is shrunk and raised."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis import strategies as st

    from . import fuzzing

    number = st.integers(0, 2**16)
    made = st.builds(fuzzing.broken, number, st.lists(st.tuples(number, number, number), max_size=6))
    pieces = st.lists(st.sampled_from(fuzzing.MARKS[:10]) | st.binary(max_size=40) | made, max_size=12).map(b"".join)
    any_bytes = pieces.map(lambda stream: b"\x07" + stream) if target == "framing" else made | st.binary(max_size=200)
    until, ran, number_of_round = time.monotonic() + seconds, 0, first

    while time.monotonic() < until:

        @seed(number_of_round)
        @settings(
            max_examples=100,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        @given(any_bytes)
        def look(data: bytes) -> None:
            nonlocal ran
            ran += 1
            check(data)

        look()
        number_of_round += 1
    return ran


def quieten() -> None:
    """Quarantine is what broken bytes are for: not a line for each."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


if __name__ == "__main__":
    main()
