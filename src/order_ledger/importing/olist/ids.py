"""Our ids of Olist's things, derived from its own: the same order is the same stream whenever it is imported."""

from hashlib import sha1
from uuid import UUID

from order_ledger.importing.history import unchecked_uuid

SYSTEM = "olist"

_NAMESPACE = UUID("8d0a9b56-4a3c-5c6e-9f43-0a3ec1a4f0de").bytes


def olist_id(what: str, own: str) -> UUID:
    """Our id of something of Olist's, by its own id."""
    return id_within(_NAMESPACE, f"{SYSTEM}/{what}/{own}")


def id_within(namespace: bytes, name: str) -> UUID:
    """As `uuid.uuid5` has it (RFC 9562, section 5.5), in a third of its time."""
    number = int.from_bytes(sha1(namespace + name.encode()).digest()[:16])
    return unchecked_uuid(number & ~(0xF << 76 | 0x3 << 62) | 5 << 76 | 0x2 << 62)
