"""Certificates of the sandbox: one self-signed leaf per cloud, and one client certificate per cloud's application.

A leaf with CA:FALSE that is trusted by itself is the one form that OpenSSL, Go, rustls and Node all take: rustls
refuses a self-signed CA as an end entity, and Azurite pins its own leaf, which breaks with a chain.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

LIFETIME = datetime.timedelta(days=397)
"""The longest that common clients accept for a leaf."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _self_signed(common_name: str, key: PrivateKey, dns_names: Sequence[str]) -> bytes:
    """A PEM certificate that signs itself and may sign nothing else."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now - datetime.timedelta(days=1) + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if dns_names:
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in ("localhost", *dns_names)]
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_server_certificate(directory: Path, name: str, dns_names: Sequence[str]) -> tuple[Path, Path]:
    """Write `<name>.crt` and `<name>.key` for a server that answers to `dns_names`; returns both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate, key_file = directory / f"{name}.crt", directory / f"{name}.key"
    certificate.write_bytes(_self_signed(f"sandbox {name}", key, dns_names))
    _write_private(key_file, _pem(key))
    return certificate, key_file


def write_client_certificate(directory: Path, name: str) -> Path:
    """Write `<name>-client.pem`, key and certificate in one file as `CertificateCredential` reads it; returns it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = directory / f"{name}-client.pem"
    _write_private(path, _pem(key) + _self_signed(f"sandbox {name} application", key, ()))
    return path


def write_bundle(directory: Path, leaves: Iterable[Path]) -> Path:
    """Write `bundle.pem`: the roots of certifi, so that real hosts still verify, and the leaves of the sandbox."""
    bundle = directory / "bundle.pem"
    bundle.write_bytes(b"\n".join(path.read_bytes() for path in (Path(certifi.where()), *leaves)))
    return bundle
