"""The service's settings."""

from typing import ClassVar

from pydantic import Field

from orloop_common.runtime.settings import CommonSettings


class Settings(CommonSettings):
    """`snapshot_every`: events of a partition between two snapshots of its folds in the table."""

    service: ClassVar[str] = "features"

    snapshot_every: int = Field(default=500, ge=1)
