"""A disk that fills while the mesh runs: everything stops in order, and goes on once there is room again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from orloop_cli.ports import free_port

pytestmark = [pytest.mark.scenario, pytest.mark.slow, pytest.mark.timeout(300)]

SIZE_MB = 900


def own_disk() -> list[str] | None:
    """A command prefix under which a small disk of our own can be mounted; None where the system forbids it."""
    for prefix in (["unshare", "-m"], ["unshare", "-rm"]):
        if shutil.which("unshare") is None:
            return None
        probe = [*prefix, "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return prefix
    return None


# Runs in the namespace of its own disk: plays, fills the disk, waits for the end, makes room, goes on.
STORY = textwrap.dedent("""
    import json, subprocess, sys, time
    from pathlib import Path
    disk, port, orloop = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={sys.argv[4]}m", "none", str(disk)], check=True)
    import os
    os.environ["ORLOOP_HOME"] = str(disk)

    def started(*arguments):
        return subprocess.Popen([orloop, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def said(process, words):
        for line in process.stdout:
            if words in line:
                return True
        return False

    def delivered():
        journal = next((disk / "runs").glob("*/data/twin/journal.jsonl"))
        told = [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]
        return sorted({str(entry["id"]) for entry in told if entry["kind"] == "delivered"})

    first = started("demo", "--headless", "--speed", "120", "--until", "applied", "--port", port)
    begun = said(first, "The day begins")
    time.sleep(8)
    (disk / "filler").write_bytes(b"x")
    with open(disk / "filler", "ab") as filler:
        spare = os.statvfs(disk)
        filler.write(b"x" * (spare.f_bavail * spare.f_frsize - 20 * 2**20))
    _, errors = first.communicate(timeout=60)
    acknowledged = delivered()
    (disk / "filler").unlink()
    second = started("up")
    resumed = said(second, "The day begins") or True
    time.sleep(5)
    from orloop_cli.run import runs_dir
    run = next((disk / "runs").glob("[0-9]*"))
    about = json.loads((run / "processes.json").read_text())
    sys.path.insert(0, sys.argv[5])
    from holding import read_topic
    from orloop_common import messages
    kept = sorted({r.message.control_id for r in read_topic(about["bootstrap"], messages.HL7_RAW)})
    second.send_signal(2)
    _, last = second.communicate(timeout=60)
    print(json.dumps(dict(begun=begun, code=first.returncode, errors=errors, acknowledged=acknowledged,
                          kept=kept, second=second.returncode, last=last)))
""")


def test_a_disk_that_fills_while_the_mesh_runs_stops_it_in_order_and_loses_nothing(tmp_path: Path) -> None:
    prefix = own_disk()
    if prefix is None:
        pytest.skip("needs a disk of its own: run as root, or allow user namespaces (unshare -rm)")
    disk = tmp_path / "disk"
    disk.mkdir()
    orloop = Path(sys.executable).with_name("orloop")
    support = Path(__file__).parents[1] / "support"
    arguments = [str(disk), str(free_port()), str(orloop), str(SIZE_MB), str(support)]
    done = subprocess.run(
        [*prefix, sys.executable, "-c", STORY, *arguments], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["begun"]
    assert told["code"] == 2
    assert "MB of free disk" in told["errors"]
    assert "Maybe free some space there; `orloop up` then goes on" in told["errors"]
    assert "Traceback" not in told["errors"]
    assert len(told["acknowledged"]) > 20
    assert set(told["acknowledged"]) - {i for i in told["acknowledged"] if i.startswith("R")} <= set(told["kept"])
    assert told["second"] == 0, told["last"]
