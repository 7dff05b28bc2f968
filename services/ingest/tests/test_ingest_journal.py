"""The journal on a real file system: what was synced survives, what was torn was never acknowledged."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from queue import SimpleQueue
from threading import Event

import pytest

from orloop_common.domain.derived import IngestJournal
from orloop_common.runtime.errors import ConfigurationError
from orloop_common.testing import ManualClock
from orloop_ingest.adapters.committing import Committer
from orloop_ingest.adapters.journal import Journal
from orloop_ingest.journals import DRAINED, LOST, OPEN, Journals, NotOpen


def payloads(first: int, last: int) -> list[bytes]:
    return [b"payload %d" % n for n in range(first, last + 1)]


def read_all(journal: Journal, after: int = 0) -> list[bytes]:
    found = []
    while entries := journal.read(after, 3):
        found += [entry.payload for entry in entries]
        after = entries[-1].sequence
    return found


def reopened(journal: Journal, **options) -> Journal:
    journal.close()
    return Journal(journal.folder, **options)


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal", segment_bytes=200)


def test_what_was_written_is_read_back_in_order_across_segments_and_restarts(journal):
    for n in range(1, 30, 3):
        journal.write(payloads(n, n + 2), 0)
    assert len(list(journal.folder.glob("*.segment"))) > 3
    assert read_all(journal) == payloads(1, 30)
    again = reopened(journal, segment_bytes=200)
    assert (again.last, again.waiting, again.id) == (30, 30, journal.id)
    again.write(payloads(31, 31), 0)
    assert read_all(again) == payloads(1, 31)
    assert read_all(again, 28) == payloads(29, 31)


def test_drained_segments_are_removed_and_how_far_survives_a_restart(journal):
    for n in range(1, 30):
        journal.write(payloads(n, n), n - 1)
    assert len(list(journal.folder.glob("*.segment"))) < 4
    again = reopened(journal, segment_bytes=200)
    assert (again.drained, again.waiting) == (28, 1)
    assert read_all(again, again.drained) == payloads(29, 29)


@pytest.mark.parametrize("cut", range(1, 35, 3))
def test_a_torn_tail_is_dropped_and_nothing_before_it(journal, cut):
    journal.write(payloads(1, 3), 0)
    journal.write([b"the last one, torn"], 0)
    segment = max(journal.folder.glob("*.segment"))
    data = segment.read_bytes()
    journal.close()
    segment.write_bytes(data[:-cut])
    again = Journal(journal.folder)
    assert read_all(again) == payloads(1, 3)
    assert again.damaged == 1
    again.write([b"after"], 0)
    assert read_all(again)[-1] == b"after"


def test_a_flipped_bit_is_never_handed_on(journal):
    journal.write(payloads(1, 3), 0)
    segment = max(journal.folder.glob("*.segment"))
    data = bytearray(segment.read_bytes())
    data[-2] ^= 4
    journal.close()
    segment.write_bytes(data)
    assert read_all(Journal(journal.folder)) == payloads(1, 2)


@pytest.mark.parametrize("byte", range(31))
def test_a_record_that_the_disk_spoilt_costs_itself_alone_and_is_told(journal, byte):
    journal.write([b"payload 1", b"payload \x00\x00E\x00\x00\x00", b"payload 3"], 0)
    segment = max(journal.folder.glob("*.segment"))
    data = bytearray(segment.read_bytes())
    second = data.index(b"payload 1") + len(b"payload 1")
    data[second + byte] ^= 0xFF
    journal.close()
    segment.write_bytes(data)
    again = Journal(journal.folder)
    assert read_all(again) == [b"payload 1", b"payload 3"]
    assert (again.last, again.damaged) == (3, 1)


def test_two_processes_never_share_a_folder(journal):
    with pytest.raises(ConfigurationError, match="another process holds"):
        Journal(journal.folder)
    reopened(journal).close()


def test_a_write_that_fails_leaves_nothing_behind_and_the_next_one_works(journal, monkeypatch):
    journal.write(payloads(1, 1), 0)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", lambda file: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(OSError, match="Input/output"):
            journal.write(payloads(2, 2), 0)
    assert read_all(journal) == payloads(1, 1)
    journal.write(payloads(3, 3), 0)
    assert read_all(journal) == [b"payload 1", b"payload 3"]
    assert read_all(reopened(journal)) == [b"payload 1", b"payload 3"]


def test_a_journal_that_was_declared_lost_is_put_aside_whole(journal):
    journal.write(payloads(1, 5), 0)
    lost = journal.id
    assert journal.clear() == 5
    assert (journal.waiting, journal.id != lost) == (0, True)
    assert list((journal.folder / f"lost-{lost}").glob("*.segment"))
    journal.write(payloads(6, 6), journal.drained)
    assert read_all(reopened(journal), 5) == payloads(6, 6)


def test_all_that_waits_is_one_group(tmp_path):
    synced, told = [], []
    journal = Journal(tmp_path / "journal")
    write = journal.write
    journal.write = lambda items, drained: (synced.append(len(items)), write(items, drained))[1]
    clock = ManualClock()
    committer = Committer(journal, lambda item: item, lambda *a: told.append(a), lambda f, *a: f(*a), clock.monotonic)
    for n in range(200):
        committer.put([b"%d" % n])
    committer.close()
    assert sum(synced) == 200
    assert len(synced) < 200
    assert [item for group, _, error in told for item in group] == [b"%d" % n for n in range(200)]
    assert told[-1][1] == 200


def test_what_was_put_after_a_group_that_the_disk_refused_is_lost_with_it_until_the_doors_know(tmp_path):
    journal = Journal(tmp_path / "journal")
    write, full = journal.write, [True]
    tried: SimpleQueue[list[bytes]] = SimpleQueue()
    goes_on, calls = Event(), SimpleQueue()

    def refuse(items, drained):
        tried.put(list(items))
        assert goes_on.wait(10)
        if full[0] and items:
            full[0] = False  # there is room again at once
            raise OSError(28, "No space left on device")
        return write(items, drained)

    journal.write, told, clock = refuse, [], ManualClock()
    done = lambda group, last, error: told.append((list(group), error is None))  # noqa: E731
    committer = Committer(journal, lambda item: item, done, lambda f, *a: calls.put((f, a)), clock.monotonic)
    committer.put([b"1"])
    assert tried.get(timeout=10) == [b"1"]
    committer.put([b"2"])  # while the disk is asked
    goes_on.set()
    tell, said = calls.get(timeout=10)
    committer.put([b"3"])  # the disk has refused, and the doors do not know yet
    tell(*said)
    committer.put([b"1", b"2"])
    committer.put([b"3"])
    committer.close()
    while not calls.empty():
        tell, said = calls.get()
        tell(*said)
    assert told[0] == ([b"1"], False)
    assert [(item, well) for group, well in told[1:] for item in group] == [(b"1", True), (b"2", True), (b"3", True)]
    assert read_all(journal) == [b"1", b"2", b"3"]


def test_a_note_that_the_disk_refuses_loses_no_message(tmp_path):
    journal = Journal(tmp_path / "journal")
    write, tried, goes_on = journal.write, Event(), Event()

    def refuse(items, drained):
        if items:
            return write(items, drained)
        tried.set()
        assert goes_on.wait(10)
        raise OSError(28, "No space left on device")

    journal.write, told, clock = refuse, [], ManualClock()
    committer = Committer(journal, lambda item: item, lambda *a: told.append(a), lambda f, *a: f(*a), clock.monotonic)
    committer.drained = 1
    committer.put([])
    assert tried.wait(10)
    committer.put([b"1"])
    goes_on.set()
    committer.close()
    assert [(list(group), error) for group, _, error in told] == [([b"1"], None)]
    assert read_all(journal) == [b"1"]


CHILD = textwrap.dedent("""
    import sys
    from pathlib import Path
    from orloop_ingest.adapters.journal import Journal
    journal = Journal(Path(sys.argv[1]), segment_bytes=4096)
    n = journal.last
    while True:
        n += 1
        journal.write([b"%d" % n], max(0, n - 50))
        print(n, flush=True)
""")


def test_what_was_acknowledged_before_a_sigkill_is_there_after_it(tmp_path):
    folder = tmp_path / "journal"
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        said = [int(child.stdout.readline()) for _ in range(150)]
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate(timeout=10)
        acknowledged = max([*said, *(int(line) for line in rest.splitlines()[:-1])])
        journal = Journal(folder)
        assert journal.last >= acknowledged
        kept = [int(payload) for payload in read_all(journal, journal.drained)]
        assert kept == list(range(journal.drained + 1, journal.last + 1))
        journal.close()


def test_a_full_disk_closes_unanswered_and_recovers_by_itself(tmp_path):
    """A limit on the size of files stands in for the disk: the same refusal in the middle of a write."""
    story = textwrap.dedent("""
        import resource, signal, sys
        from pathlib import Path
        from orloop_ingest.adapters.journal import Journal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        journal = Journal(Path(sys.argv[1]))
        journal.write([b"x" * 1000], 0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
        refused = 0
        for n in range(5):
            try:
                journal.write([b"y" * 5000], 0)
            except OSError:
                refused += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        journal.write([b"z" * 5000], 0)
        print(refused, [(e.sequence, e.payload[:1]) for e in journal.read(0, 10)])
    """)
    done = subprocess.run(
        [sys.executable, "-c", story, str(tmp_path / "journal")], capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip() == "5 [(1, b'x'), (2, b'z')]", done.stderr


def own_disk() -> list[str] | None:
    for prefix in ([], ["unshare", "-m"], ["unshare", "-rm"]):
        if prefix and shutil.which("unshare") is None:
            return None
        probe = [*prefix, "sh", "-c", "mount -t tmpfs -o size=1m none /mnt && (umount /mnt || true)"]
        if prefix and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return prefix
    return None


def test_a_small_disk_that_fills_and_is_freed(tmp_path):
    prefix = own_disk()
    if prefix is None:
        pytest.skip("needs a disk of its own: run as root, or allow user namespaces (unshare -rm)")
    story = textwrap.dedent("""
        import subprocess, sys
        from pathlib import Path
        disk = Path(sys.argv[1])
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], check=True)
        from orloop_ingest.adapters.journal import Journal
        journal, kept, refused = Journal(disk / "journal", segment_bytes=100_000), [], 0
        for n in range(60):
            try:
                journal.write([b"%03d" % n + b"x" * 40_000], 0)
                kept.append(n)
            except OSError:
                refused += 1
        seen = [int(e.payload[:3]) for e in journal.read(0, 100)]
        (disk / "journal" / "spare").unlink(missing_ok=True)
        for segment in journal._segments[:3]:
            segment.path.unlink()  # as when its entries are drained
        journal.write([b"999" + b"x" * 40_000], 0)
        print(seen == kept, refused > 10, journal.last == len(kept) + 1)
    """)
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run([*prefix, sys.executable, "-c", story, str(disk)], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "True True True", done.stderr


# --- whose turn it is ----------------------------------------------------------------------------------


def told(journals: Journals, id: str, state: str, sources=("TWIN",), by=None) -> None:
    output = journals.told(id, "ingest-0", state, sources, ManualClock().now(), by)
    assert isinstance(output.message, IngestJournal)
    journals.fold(output.message)


def test_a_successor_waits_until_the_journal_before_it_is_drained():
    journals = Journals("main")
    assert not journals.is_my_turn("new", ["TWIN"])
    told(journals, "old", OPEN)
    told(journals, "new", OPEN)
    assert journals.is_my_turn("old", ["TWIN"])
    assert not journals.is_my_turn("new", ["TWIN"])
    assert [j.id for j in journals.before("new", ["TWIN"])] == ["old"]
    told(journals, "old", DRAINED)
    assert journals.is_my_turn("new", ["TWIN"])


def test_or_until_a_person_declares_it_lost():
    journals = Journals("main")
    told(journals, "old", OPEN)
    told(journals, "new", OPEN)
    output = journals.declare_lost("old", "anna", ManualClock().now())
    assert (output.message.state, output.message.declared_by) == (LOST, "anna")
    journals.fold(output.message)
    assert journals.is_my_turn("new", ["TWIN"])
    for id in ("old", "never"):
        with pytest.raises(NotOpen):
            journals.declare_lost(id, "anna", ManualClock().now())


def test_an_owner_that_comes_back_is_still_before_its_successor_and_after_it_once_it_was_drained():
    journals = Journals("main")
    told(journals, "old", OPEN)
    told(journals, "new", OPEN)
    told(journals, "old", OPEN)
    assert journals.is_my_turn("old", ["TWIN"])
    told(journals, "old", DRAINED)
    told(journals, "old", OPEN)
    assert not journals.is_my_turn("old", ["TWIN"])


def test_journals_of_other_sources_do_not_matter():
    journals = Journals("main")
    told(journals, "old", OPEN, ("LAB",))
    told(journals, "new", OPEN)
    assert journals.is_my_turn("new", ["TWIN"])
