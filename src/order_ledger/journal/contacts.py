"""Names and contacts in the clear, beside the keys: for searching by name, and wiped with the key."""

from uuid import UUID

from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow

from order_ledger.values import Contact

_REMEMBER = """
    INSERT INTO personal.contact (person, name, company, email, phone)
    SELECT %s, %s, %s, %s, %s
    WHERE NOT EXISTS (SELECT FROM personal.key WHERE person = %s AND purpose = 'order' AND erased_at IS NOT NULL)
    ON CONFLICT (person) DO UPDATE
    SET name = excluded.name, company = excluded.company, email = excluded.email, phone = excluded.phone
"""


def _values(person: UUID, contact: Contact) -> tuple[object, ...]:
    return (person, contact.name, contact.company, contact.email, contact.phone, person)


async def remember_contact(connection: AsyncConnection[TupleRow], person: UUID, contact: Contact) -> None:
    """Keeps the person's contact as it is now; a repeat changes nothing, and nobody forgotten comes back."""
    await connection.execute(_REMEMBER, _values(person, contact))


def remember_contact_now(connection: Connection[TupleRow], person: UUID, contact: Contact) -> None:
    """The same, where waiting is fine."""
    connection.execute(_REMEMBER, _values(person, contact))
