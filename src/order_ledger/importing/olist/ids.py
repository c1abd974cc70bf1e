"""Our ids of Olist's things, derived from its own: the same order is the same stream whenever it is imported."""

from hashlib import sha1
from typing import TYPE_CHECKING
from uuid import UUID

from order_ledger.importing.history import unchecked_uuid

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

SYSTEM = "olist"

_NAMESPACE = UUID("8d0a9b56-4a3c-5c6e-9f43-0a3ec1a4f0de")


def olist_id(what: str, own: str) -> UUID:
    """Our id of something of Olist's, by its own id."""
    return id_in(_IN_NAMESPACE, f"{SYSTEM}/{what}/{own}")


def namespace(of: UUID) -> "Hash":
    """Where several ids are derived from one: its hash so far, made once."""
    return sha1(of.bytes)


def id_in(namespace: "Hash", name: str) -> UUID:
    """As `uuid.uuid5` has it (RFC 9562, section 5.5), of a namespace that was hashed before."""
    digest = namespace.copy()
    digest.update(name.encode())
    number = int.from_bytes(digest.digest()[:16])
    return unchecked_uuid(number & ~(0xF << 76 | 0x3 << 62) | 5 << 76 | 0x2 << 62)


_IN_NAMESPACE = namespace(_NAMESPACE)
