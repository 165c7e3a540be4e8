"""TLS towards a client's endpoint: which versions, and the certificate we show.

A private key stays in memory: the library reads it from a file, so it gets one that has no name.
"""

import os
import ssl
from collections.abc import Collection

__all__ = ["VERSIONS", "CertificateError", "tls_context"]

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class CertificateError(ValueError):
    """Not a certificate with its private key."""


def tls_context(
    versions: Collection[str] = (), *, pem: bytes | None = None, passphrase: str | None = None
) -> ssl.SSLContext:
    """A context that trusts what the machine trusts.

    versions: keys of VERSIONS; none: all of them.
    pem:      certificates and their private key, or None to show none.
    Raises:   CertificateError.
    """
    context = ssl.create_default_context()
    wanted = sorted(VERSIONS[name] for name in versions if name in VERSIONS)
    context.minimum_version = wanted[0] if wanted else ssl.TLSVersion.TLSv1_2
    if wanted:
        context.maximum_version = wanted[-1]
    if pem is not None:
        _show(context, pem, passphrase or "")
    return context


def _show(context: ssl.SSLContext, pem: bytes, passphrase: str) -> None:
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(pem)
        # An empty passphrase and not None: the library would ask on the terminal.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=passphrase)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise CertificateError("must hold a certificate and its private key in PEM") from error
    finally:
        os.close(descriptor)
