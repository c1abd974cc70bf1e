-- Who may do what in the ledger's database. Run by its owner at every migration; a repeat changes nothing.

-- The door takes commands: it appends, and draws positions but never chooses one.
GRANT USAGE ON SCHEMA journal, personal TO order_ledger_door;
GRANT SELECT ON ALL TABLES IN SCHEMA journal TO order_ledger_door;
GRANT SELECT ON SEQUENCE journal.entry_notification_id_seq TO order_ledger_door;
GRANT INSERT (originator_id, originator_version, topic, state, kind, recorded_at, hash) ON journal.entry
    TO order_ledger_door;
GRANT INSERT ON journal.idempotency_key TO order_ledger_door;
GRANT INSERT (at, person, role, on_behalf_of, what, subject, code, detail) ON journal.access TO order_ledger_door;
GRANT SELECT, INSERT ON personal.key TO order_ledger_door;
GRANT UPDATE (wrapped, erased_at) ON personal.key TO order_ledger_door;
GRANT SELECT, INSERT, UPDATE, DELETE ON personal.contact TO order_ledger_door;
GRANT SELECT, INSERT, UPDATE ON personal.account TO order_ledger_door;
GRANT SELECT ON public.order_ledger_migration TO order_ledger_door;

-- It shows what policies do, finds documents by their numbers, and remembers the files that it made of them.
GRANT USAGE ON SCHEMA policies, documents TO order_ledger_door;
GRANT SELECT ON ALL TABLES IN SCHEMA policies, documents TO order_ledger_door;
GRANT INSERT (number, media_type, layout, erased, sha256, made_with) ON documents.file TO order_ledger_door;

-- A follower reads the journal, and says how far it is final. The read models it writes are granted one by one.
GRANT USAGE ON SCHEMA journal TO order_ledger_follower;
GRANT SELECT ON journal.entry, journal.entries, journal.ledger, journal.settled TO order_ledger_follower;
GRANT SELECT ON SEQUENCE journal.entry_notification_id_seq TO order_ledger_follower;
GRANT UPDATE (position, at) ON journal.settled TO order_ledger_follower;
GRANT SELECT ON public.order_ledger_migration TO order_ledger_follower;

-- A policy reads the journal and answers it: it appends as the door does, and keeps its bookmark, its cases, and the
-- counters of what it numbers.
GRANT USAGE ON SCHEMA journal, personal, policies, documents TO order_ledger_policy;
GRANT SELECT ON journal.entry, journal.entries, journal.register, journal.ledger, journal.settled,
    journal.idempotency_key TO order_ledger_policy;
GRANT SELECT ON SEQUENCE journal.entry_notification_id_seq TO order_ledger_policy;
GRANT INSERT (originator_id, originator_version, topic, state, kind, recorded_at, hash) ON journal.entry
    TO order_ledger_policy;
GRANT INSERT ON journal.idempotency_key TO order_ledger_policy;
GRANT SELECT, INSERT ON personal.key TO order_ledger_policy;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA policies TO order_ledger_policy;
GRANT SELECT, INSERT, UPDATE ON documents.counter TO order_ledger_policy;
GRANT SELECT ON public.order_ledger_migration TO order_ledger_policy;
