"""The broker as the launcher runs it: it loses nothing acknowledged and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from orloop_cli.broker import Broker
from orloop_cli.errors import LauncherError
from orloop_cli.testing import create_topics

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]


def produce(bootstrap: str, topic: str, values: range) -> None:
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True})
    for value in values:
        producer.produce(topic, str(value).encode(), on_delivery=delivered)
    assert producer.flush(20) == 0
    assert failed == []


def read(bootstrap: str, topic: str) -> list[int]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = []
    while (message := consumer.poll(20)) is not None:
        error = message.error()
        if error is None:
            values.append(int(message.value() or b""))
        elif error.code() == KafkaError._PARTITION_EOF:
            break
    consumer.close()
    return values


def gone(pid: int, within: float = 10) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_what_was_acknowledged_survives_a_sigkill_and_a_clean_stop(own_broker: Broker) -> None:
    create_topics(own_broker.bootstrap, {"facts": {}})
    address, first = own_broker.bootstrap, own_broker.pid
    produce(address, "facts", range(500))
    own_broker.kill()
    own_broker.start().wait_ready()
    assert own_broker.bootstrap == address
    assert own_broker.pid != first
    produce(address, "facts", range(500, 600))
    own_broker.stop()
    own_broker.start().wait_ready()
    assert read(address, "facts") == list(range(600))


def test_a_launcher_that_is_killed_leaves_no_broker_behind(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from orloop_cli.broker import Broker;"
        "broker = Broker(Path(sys.argv[1])).start(); print(broker.pid, broker._guard.pid, flush=True);"
        "time.sleep(600)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", program, tmp_path / "b"], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    java, guard = map(int, launcher.stdout.readline().split())
    assert psutil.Process(java).name().startswith("java")
    launcher.send_signal(signal.SIGKILL)
    launcher.wait(10)
    launcher.stdout.close()
    assert gone(java)
    assert gone(guard)


@pytest.mark.skipif(sys.platform != "linux", reason="a killed guard takes the broker along on Linux alone")
def test_a_guard_that_is_killed_takes_the_broker_along(own_broker: Broker) -> None:
    java = own_broker.pid
    os.kill(psutil.Process(java).ppid(), signal.SIGKILL)
    assert gone(java)


def test_a_second_broker_on_the_same_data_is_refused_by_name(own_broker: Broker) -> None:
    twin = Broker(own_broker.data_dir, port=None)
    with pytest.raises(LauncherError, match="lock"):
        twin.start()
    own_broker.wait_ready(5)


def test_topics_are_made_unique_to_their_test(broker: Broker, topics) -> None:  # type: ignore[no-untyped-def]
    one, two = topics("events", partitions=3), topics("events")
    assert one != two
    produce(broker.bootstrap, two, range(3))
    assert read(broker.bootstrap, two) == [0, 1, 2]
