"""Sealed values: AES-256-GCM under one person's key, bound to the ledger, stream, version and field they stand in.

A box moved to another entry or field does not open. A key is destroyed to make every value under it unreadable,
for ever and everywhere: in the journal, in its copies and in its backups.
"""

import base64
import hashlib
import os
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from order_ledger.faults import Fault
from order_ledger.values import Sealed

_NONCE_BYTES = 12
_FORM = "The master key is 32 bytes, written as 64 hexadecimal digits."

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


class CannotOpen(Fault):
    """The box does not open with this key: it was altered, or it stands where it was not sealed."""


class SealingKey:
    """A person's key for one purpose, ready to seal and to open."""

    __slots__ = ("_cipher", "id")

    def __init__(self, key: bytes) -> None:
        self.id = key_id(key)
        self._cipher = AESGCM(key)

    def seal(self, value: object, ledger: UUID, stream: UUID, version: int, field: str) -> Sealed[Any]:
        """The value as it is stored in this field of this entry."""
        nonce = os.urandom(_NONCE_BYTES)
        box = nonce + self._cipher.encrypt(nonce, _encode(value), place(ledger, stream, version, field))
        return Sealed(self.id, base64.urlsafe_b64encode(box).decode())

    def open(self, sealed: Sealed[T], ledger: UUID, stream: UUID, version: int, field: str, type: type[T]) -> T:
        """The value that was sealed in this field of this entry; raises `CannotOpen`."""
        try:
            box = base64.urlsafe_b64decode(sealed.box)
            plain = self._cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], place(ledger, stream, version, field))
            return msgspec.json.decode(plain, type=type)
        except (InvalidTag, ValueError) as error:
            raise CannotOpen(f"field {field} of version {version} of stream {stream}") from error


def place(ledger: UUID, stream: UUID, version: int, field: str) -> bytes:
    """What a box is bound to, as authenticated data."""
    return b"order-ledger/1\0%b\0%b\0%d\0%b" % (ledger.bytes, stream.bytes, version, field.encode())


def new_key() -> bytes:
    """A fresh key of 256 bits."""
    return AESGCM.generate_key(bit_length=256)


def key_id(key: bytes) -> str:
    """Names a key without telling it: a hash, so the id pins every box to its one key."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"order-ledger key" + key).digest()).decode().rstrip("=")


class MasterKey:
    """Wraps the keys of persons, so that the database alone opens nothing."""

    __slots__ = ("_cipher", "_secret")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32:
            raise ValueError(_FORM)
        self._secret = secret
        self._cipher = AESGCM(hashlib.sha256(b"order-ledger wrap" + secret).digest())

    @classmethod
    def of(cls, digits: str) -> "MasterKey":
        """The master key from 64 hexadecimal digits; raises `ValueError` for anything else."""
        try:
            return cls(bytes.fromhex(digits))
        except ValueError:
            raise ValueError(_FORM) from None  # and never with the digits

    def wrap(self, key: bytes, person: UUID, purpose: str) -> bytes:
        """The key as it is stored, bound to the person and purpose it is for."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, person.bytes + purpose.encode())

    def unwrap(self, wrapped: bytes, person: UUID, purpose: str) -> bytes:
        """The key again; raises `CannotOpen` where this is not the master key that wrapped it."""
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], person.bytes + purpose.encode())
        except InvalidTag as error:
            raise CannotOpen(
                "The master key is not the one that this ledger's personal data was sealed with. "
                "Restore master.key in LEDGER_HOME, or set LEDGER_MASTER_KEY."
            ) from error

    def derive(self, purpose: bytes) -> bytes:
        """A key of 32 bytes for another purpose, such as signing tokens."""
        return hashlib.sha256(b"order-ledger derive " + purpose + b"\0" + self._secret).digest()


def master_key(home: "os.PathLike[str]", configured: str | None = None) -> MasterKey:
    """The configured master key, or the one kept in `master.key` of the ledger's home, made there once."""
    if configured is not None:
        return MasterKey.of(configured)
    path = os.path.join(home, "master.key")
    os.makedirs(home, mode=0o700, exist_ok=True)
    draft = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    if not os.path.exists(path):
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(32).hex())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # atomic: of two first starts, one key wins and both read it
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
            _flush(home)  # what is sealed under it must not outlive it, not even a power cut
    with open(path) as file:
        digits = file.read().strip()
    try:
        return MasterKey.of(digits)
    except ValueError as error:
        raise ValueError(f"{path} does not hold a master key; restore it from a backup. {error}") from None


def _flush(folder: "os.PathLike[str]") -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
