-- The journal: every entry of every stream, appended once, for ever; and what belongs beside it.

CREATE SCHEMA journal;
CREATE SCHEMA personal;

-- Which ledger this is. The epoch changes when positions may have been issued twice (after a failover).
CREATE TABLE journal.ledger (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id uuid NOT NULL,
    epoch uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO journal.ledger (id) VALUES (%(ledger)s);

-- What a column may hold is said by its type. A constraint of the table would be read and planned anew for every
-- statement, which takes a tenth of what appending one entry takes.
CREATE DOMAIN journal.version AS bigint CHECK (VALUE > 0);
CREATE DOMAIN journal.entry_bytes AS bytea CHECK (octet_length(VALUE) <= 65535);
CREATE DOMAIN journal.sha256 AS bytea CHECK (octet_length(VALUE) = 32);

-- `state` is the exact bytes, `hash` their SHA-256; the other columns repeat what the bytes say, the position excepted.
CREATE TABLE journal.entry (
    originator_id uuid NOT NULL,
    originator_version journal.version NOT NULL,
    topic text NOT NULL,
    state journal.entry_bytes NOT NULL,
    notification_id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
    kind text NOT NULL,
    recorded_at timestamptz NOT NULL,
    hash journal.sha256 NOT NULL,
    CONSTRAINT entry_stream_version PRIMARY KEY (originator_id, originator_version)
) WITH (
    -- Nothing here is ever updated or deleted, so only new rows need a visit: to freeze them and to mark pages visible.
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02,
    -- An entry is read whole or not at all: up to 8 KB it stays in its row, and costs no second table and index.
    toast_tuple_target = 8160
);
CREATE UNIQUE INDEX entry_position ON journal.entry (notification_id);

-- The register: entries that are looked for otherwise than by their stream. A document is found by its series and its
-- number there, and no number is used twice, whoever writes; what lists an item or a party, and what tells who holds
-- which role, stands under its own name in the order of the journal. One index for all of it, on a short condition: an
-- entry pays for every index that it is not in, and more for one whose condition is longer.
CREATE FUNCTION journal.heading(topic text, state bytea) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $body$
    SELECT CASE
        WHEN topic OPERATOR(pg_catalog.=) ANY ('{InvoiceIssued, CreditNoteIssued, ReceiptIssued}')
        THEN pg_catalog.convert_from(state, 'UTF8')::pg_catalog.jsonb OPERATOR(pg_catalog.#>>) '{data,series}'
        ELSE topic END
$body$;
CREATE FUNCTION journal.number(topic text, state bytea, "position" bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $body$
    SELECT CASE
        WHEN topic OPERATOR(pg_catalog.=) ANY ('{InvoiceIssued, CreditNoteIssued, ReceiptIssued}')
        THEN (pg_catalog.convert_from(state, 'UTF8')::pg_catalog.jsonb
              OPERATOR(pg_catalog.#>>) '{data,sequence}')::bigint
        ELSE "position" END
$body$;
CREATE UNIQUE INDEX entry_register ON journal.entry
    ((journal.heading(topic, state)) COLLATE "C", journal.number(topic, state, notification_id))
    WHERE topic IN ('InvoiceIssued', 'CreditNoteIssued', 'ReceiptIssued', 'ItemListed', 'OrganisationRegistered',
                    'PersonRegistered', 'RoleGranted', 'RoleWithdrawn');
CREATE VIEW journal.register AS
SELECT journal.heading(topic, state) COLLATE "C" AS heading, journal.number(topic, state, notification_id) AS number,
       originator_id AS stream, originator_version AS version, topic AS name, notification_id AS position, state
FROM journal.entry
WHERE topic IN ('InvoiceIssued', 'CreditNoteIssued', 'ReceiptIssued', 'ItemListed', 'OrganisationRegistered',
                'PersonRegistered', 'RoleGranted', 'RoleWithdrawn');

-- Bytes compress badly after sealing, and reading them back is what rebuilds do: keep them as they are.
ALTER TABLE journal.entry ALTER COLUMN state SET STORAGE EXTERNAL;

-- For people with SQL.
CREATE VIEW journal.entries AS
SELECT notification_id AS position, originator_id AS stream, originator_version AS version, kind, topic AS name,
       recorded_at, convert_from(state, 'UTF8')::jsonb AS entry
FROM journal.entry;

-- Sequence order is not commit order. Before positions are drawn, the writing transaction holds, shared and until it
-- ends, a lock whose key is a namespace of the feed (15 bits: 20300, "OL") and the sequence's last value (48 bits).
-- Whoever reads the feed stops at the lowest such lock: everything at or below it is final.
CREATE VIEW journal.feed_lock AS
SELECT l.pid, ((l.classid::bigint << 32) | l.objid::bigint) & 281474976710655 AS position
FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND (l.classid::bigint >> 16) = 20300
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());

-- The two reads must be in this order, and what is at or below the answer must be read by a later statement.
CREATE FUNCTION journal.settled_position() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $body$
DECLARE
    last_drawn bigint := coalesce(pg_sequence_last_value('journal.entry_notification_id_seq'::regclass), 0);
    lowest_held bigint;
BEGIN
    SELECT min(l.position) INTO lowest_held FROM journal.feed_lock l;
    RETURN least(last_drawn, coalesce(lowest_held, last_drawn));
END
$body$;

-- The condition takes the lock; 5713942027226316800 is the namespace in its place, 20300 << 48. The function is called
-- only where that did not do: nothing was ever drawn, or a stranger holds the lock alone and has to be waited for. A call
-- for every statement would cost more than all that the condition does. That is read anew for every statement, so it
-- says no more than it must.
CREATE FUNCTION journal.hold_feed() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(
        5713942027226316800 | coalesce(pg_catalog.pg_sequence_last_value('journal.entry_notification_id_seq'::regclass), 0)
    );
    RETURN NULL;
END
$body$;
CREATE TRIGGER hold_feed BEFORE INSERT ON journal.entry FOR EACH STATEMENT
    WHEN (pg_catalog.pg_try_advisory_xact_lock_shared(
        5713942027226316800 | pg_catalog.pg_sequence_last_value('journal.entry_notification_id_seq'::regclass)
    ) IS NOT TRUE)
    EXECUTE FUNCTION journal.hold_feed();

CREATE FUNCTION journal.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION 'an entry is permanent: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$body$;
CREATE TRIGGER permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON journal.entry
    FOR EACH STATEMENT EXECUTE FUNCTION journal.refuse_change();

-- The highest position that is final, as the settler last saw it. Followers wake on its notification.
CREATE TABLE journal.settled (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL DEFAULT 0,
    at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
INSERT INTO journal.settled DEFAULT VALUES;

-- What a command with this key led to. Scope: the order for commands on an order, the account for placing one.
-- `bound` is a hash of account, role, method and path; `body` a keyed hash of the body. Keys never expire.
CREATE TABLE journal.idempotency_key (
    scope uuid NOT NULL,
    key text NOT NULL,
    command uuid NOT NULL,
    bound bytea NOT NULL,
    body bytea NOT NULL,
    streams uuid[] NOT NULL,
    versions bigint[] NOT NULL,
    positions bigint[] NOT NULL,
    CONSTRAINT idempotency_key_scope_key PRIMARY KEY (scope, key)
);
CREATE TRIGGER permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON journal.idempotency_key
    FOR EACH STATEMENT EXECUTE FUNCTION journal.refuse_change();

-- Who tried and was refused, and who looked at personal data: an auditor asks.
CREATE TABLE journal.access (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    person uuid,
    role text,
    on_behalf_of uuid,
    what text NOT NULL,
    subject uuid,
    code text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX access_subject ON journal.access (subject, at);
CREATE TRIGGER permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON journal.access
    FOR EACH STATEMENT EXECUTE FUNCTION journal.refuse_change();

-- Keys of sealed values, one per person and purpose, wrapped by the master key. No row: never made. No wrapped
-- key: erased, which is final. The id is a hash of the key, so that it also pins every ciphertext to its key.
CREATE TABLE personal.key (
    person uuid NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('order', 'document')),
    id text NOT NULL,
    wrapped bytea,
    made_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz,
    CONSTRAINT key_person_purpose PRIMARY KEY (person, purpose),
    CONSTRAINT key_id UNIQUE (id),
    CONSTRAINT key_active_or_erased CHECK ((wrapped IS NULL) = (erased_at IS NOT NULL))
);

-- Names and contacts in the clear, for searching: wiped with the key.
CREATE TABLE personal.contact (
    person uuid PRIMARY KEY,
    name text,
    company text,
    email text,
    phone text,
    search text GENERATED ALWAYS AS (lower(coalesce(name, '') || ' ' || coalesce(company, '') || ' ' || coalesce(email, '')))
        STORED
);

-- How people log in here, when no identity provider does it for us.
CREATE TABLE personal.account (
    login text PRIMARY KEY,
    person uuid NOT NULL UNIQUE,
    password_hash text NOT NULL,
    disabled boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL DEFAULT now()
);
