"""TLS for the MLLP door: our certificate and the senders' authority."""

import ssl
from pathlib import Path

from orloop_common.runtime.errors import ConfigurationError


def server_context(certificate: Path, key: Path | None, client_ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer; with `client_ca` every sender must show a certificate of that authority.

    Raises
    ------
    ConfigurationError
        If a file is missing or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"ORLOOP_MLLP_TLS_CERT: Expected a certificate, its key and maybe an authority in PEM form, got: "
            f"{error.strerror or type(error).__name__}.\nMaybe a path is wrong, or the key is not the certificate's."
        ) from None
    return context
