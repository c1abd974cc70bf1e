"""The hash of the file that was first made of a document, and holding every later one against it.

The file itself is not kept: it holds personal data in the clear, and follows from the event. A file that is made by the
same programs of the same event, in the same form, must be the same to the byte; one that is not is not served. Other
versions of the programs may write other bytes: their first file is remembered beside the one of the old ones, so that
an auditor sees both.
"""

import hashlib

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from order_ledger.documents.as_pdf import made_with

_REMEMBER = """
    INSERT INTO documents.file (number, media_type, layout, erased, made_with, sha256)
    VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_REMEMBERED = """
    SELECT sha256 FROM documents.file
    WHERE number = %s AND media_type = %s AND layout = %s AND erased = %s AND made_with = %s
"""


class FileDiffers(Exception):
    """The file is not the one that was made of this document before; the message names both hashes."""


async def hold_against_first(
    connection: AsyncConnection[TupleRow], number: str, media_type: str, layout: str, erased: bool, file: bytes
) -> str:
    """Remembers the hash of the first file of its form, and answers it, in hexadecimal digits. Raises `FileDiffers`."""
    digest = hashlib.sha256(file).digest()
    key = (number, media_type, layout, erased, made_with())
    found = await (await connection.execute(_REMEMBERED, key)).fetchone()
    if found is None:
        await connection.execute(_REMEMBER, (*key, digest))
        found = await (await connection.execute(_REMEMBERED, key)).fetchone()
    assert found is not None, "it was just remembered, by us or by another"
    if bytes(found[0]) != digest:
        raise FileDiffers(
            f"{number} as {media_type} was {bytes(found[0]).hex()} when it was first made, and is {digest.hex()} now."
        )
    return digest.hex()
