"""A certificate authority of our own, for servers of tests."""

import base64
import hashlib
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_PEM = serialization.Encoding.PEM
_DAY = timedelta(days=1)


class Authority:
    """Signs certificates. `certificate` is what those who trust it know it by."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        own = self._builder(self._name, self._key, datetime.now(UTC) - _DAY)
        self._signed = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(self._key, hashes.SHA256())
        self.certificate = folder / "authority.pem"
        self.certificate.write_bytes(self._signed.public_bytes(_PEM))

    @property
    def spki(self) -> str:
        """The name by which a browser may be told to trust it."""
        form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(self._key.public_key().public_bytes(*form)).digest()).decode()

    def server_side(self, names: Sequence[str], *, since: timedelta = _DAY) -> ssl.SSLContext:
        """What a server of these names needs; its certificate began `since` ago and is good for three days."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]), key, datetime.now(UTC) - since)
        leaf = leaf.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        chain, secret = self._folder / "chain.pem", self._folder / "key.pem"
        chain.write_bytes(leaf.sign(self._key, hashes.SHA256()).public_bytes(_PEM) + self._signed.public_bytes(_PEM))
        secret.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, secret)
        return context

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begin: datetime) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        return made.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(begin + 3 * _DAY)
