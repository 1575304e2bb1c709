"""The stack's own certificate authority and the broker's certificate, for TLS on one machine.

The authority is made once and kept, so that enrolled devices go on trusting the stack; the server certificate is
renewed a month before it ends. Keys are readable by their owner only. Never meant for the open internet.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pulse_local.system_user import SystemUser, give

_AUTHORITY_LIFE = dt.timedelta(days=3650)
_SERVER_LIFE = dt.timedelta(days=397)  # The longest that common TLS clients accept.
_RENEW_BEFORE = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the authority's certificate, the server's certificate and the server's key are."""

    authority: Path
    certificate: Path
    key: Path


def ensure_certificates(
    directory: Path, owner: SystemUser | None, public_names: Sequence[str] = ()
) -> CertificateFiles:
    """Return the files, made or renewed where they are missing, about to expire or lack one of the public names.

    A public name is a host name or an address, beside those of this machine.
    """
    files = CertificateFiles(directory / "ca.crt", directory / "server.crt", directory / "server.key")
    authority_key = directory / "ca.key"
    fresh = not (files.authority.exists() and authority_key.exists())
    if fresh:
        _write_authority(files.authority, authority_key)
    if fresh or not files.key.exists() or not _is_good(files.certificate, public_names):
        _write_server(files, authority_key, public_names)
    for path in (files.authority, files.certificate):
        give(path, owner, 0o644)
    give(files.key, owner, 0o600)
    return files


def _is_good(path: Path, public_names: Sequence[str]) -> bool:
    if not path.exists():
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lasts = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC) >= _RENEW_BEFORE
    return lasts and all(_general_name(name) in held for name in public_names)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "PrecisionPulse embedded stack"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _started(life: dt.timedelta, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    # An hour back, so that a device whose clock is a little behind accepts it.
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + life)
        .public_key(key.public_key())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_authority(certificate_path: Path, key_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"PrecisionPulse CA {x509.random_serial_number():x}"[:40])
    certificate = (
        _started(_AUTHORITY_LIFE, key)
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_private(key_path, key)
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_server(files: CertificateFiles, authority_key_path: Path, public_names: Sequence[str]) -> None:
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    authority_key = serialization.load_pem_private_key(authority_key_path.read_bytes(), None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not of the kind this module writes")
    key = ec.generate_private_key(ec.SECP256R1())
    hosts = dict.fromkeys(("localhost", socket.gethostname(), "127.0.0.1", "::1", *public_names))
    names = [_general_name(host) for host in hosts]
    certificate = (
        _started(_SERVER_LIFE, key)
        .subject_name(_name("localhost"))
        .issuer_name(authority.subject)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write_private(files.key, key)
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
