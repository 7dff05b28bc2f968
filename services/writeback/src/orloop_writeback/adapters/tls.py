"""TLS to a hospital: its certificate is checked, ours is shown; 1.2 is the oldest that we speak."""

import ssl
from pathlib import Path

from orloop_common.runtime import ConfigurationError


def client_context(ca: Path | None = None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """A context that trusts `ca` (the system's authorities by default) and shows `certificate`.

    Raises
    ------
    ConfigurationError
        If a file is missing or is no certificate or key.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        if certificate is not None:
            context.load_cert_chain(str(certificate), str(key) if key else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"writeback.tls: Expected PEM files of a certificate and its key, got {type(error).__name__}.\n"
            "Maybe a path is relative to another directory, or the key is not the certificate's."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
