"""What can go wrong in the runtime, and what follows from it.

OrloopError
├── ConfigurationError        the process ends with code 2: a person has to change something
│   └── PortInUse
├── FatalError                the process ends with code 1: the supervisor starts it again
│   ├── ClientFailed          the Kafka client says that it cannot go on
│   ├── Stalled               the broker is there and still does not acknowledge
│   ├── DeliveryFailed        the broker refused a record for good
│   └── TooManyUnreadable     a release that cannot read its topic must not drain it
├── NotDurable                a synchronous send was not confirmed in time: tell the sender to send again
├── ClockError                no usable segment in the clock file
├── MissingHeaders            a record without the CloudEvents headers that the mesh needs
├── TokenRefused              a token that is not good enough
└── CannotDecrypt             a payload that none of the keys opens
"""


class OrloopError(Exception):
    """Root of every error that the runtime raises on purpose; its text is safe to log and to answer."""

    @property
    def problem(self) -> str:
        """What was expected and what came, without the hint."""
        return str(self).split("\n", 1)[0]

    @property
    def hint(self) -> str:
        """The line that starts with 'Maybe', or nothing."""
        return str(self).split("\n", 1)[1] if "\n" in str(self) else ""


class ConfigurationError(OrloopError):
    """A setting is missing or wrong: exit code 2."""


class PortInUse(ConfigurationError):
    """Another process listens on the wanted port."""


class FatalError(OrloopError):
    """The process cannot go on and is to be started again: exit code 1."""


class ClientFailed(FatalError):
    """The Kafka client reported an error that it does not recover from."""


class Stalled(FatalError):
    """Outputs were not acknowledged although the broker answers."""


class DeliveryFailed(FatalError):
    """The broker refused an output for good."""


class TooManyUnreadable(FatalError):
    """So many records in a row could not be read that the reader itself is suspect."""


class NotDurable(OrloopError):
    """A record was not acknowledged in time; it may still arrive, so send it again under the same id."""


class ClockError(OrloopError):
    """The clock file has no segment that could be used."""


class MissingHeaders(OrloopError):
    """A record came without headers that every record of the mesh carries."""


class TokenRefused(OrloopError):
    """A token is absent, forged, expired, or not for this door."""


class CannotDecrypt(OrloopError):
    """None of the configured keys opens this payload."""
