"""A call to the planner's service without a network."""

import grpc


class Refused(Exception):
    """The call was refused."""


class Call:
    """A call with so many seconds left."""

    def time_remaining(self) -> float:
        return 2.0

    def is_active(self) -> bool:
        return True

    def set_trailing_metadata(self, _: object) -> None: ...

    def abort(self, code: grpc.StatusCode, words: str) -> None:
        raise Refused(f"{code.name}: {words}")
