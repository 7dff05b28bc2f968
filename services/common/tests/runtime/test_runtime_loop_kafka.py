"""The loop's contract on a real Kafka."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orloop_common.testing.contract import LoopContract
from orloop_common.testing.kafkabench import KafkaBench

pytestmark = pytest.mark.broker


class TestLoopOnKafka(LoopContract):
    @pytest.fixture
    def bench(self, broker: Any, topics: Callable[..., str]) -> Iterator[KafkaBench]:
        bench = KafkaBench(broker.bootstrap, topics)
        yield bench
        bench.close()
