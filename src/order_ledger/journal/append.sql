-- One batch of commands, each accepted or refused by itself, in one autocommit statement.
-- Refused: a key that is remembered, or a base that is not its stream's highest version in this snapshot.
-- Inserting in one order of streams, and keys after entries in one order of keys, is what keeps batches from deadlocking.
WITH command AS MATERIALIZED (
    SELECT * FROM unnest(%(numbers)s::int[], %(scopes)s::uuid[], %(keys)s::text[], %(commands)s::uuid[],
                         %(bounds)s::bytea[], %(bodies)s::bytea[])
        AS c (number, scope, key, command, bound, body)
), base AS MATERIALIZED (
    SELECT * FROM unnest(%(base_numbers)s::int[], %(base_streams)s::uuid[], %(base_versions)s::bigint[])
        AS b (number, stream, version)
), remembered AS MATERIALIZED (
    SELECT c.number, k.command, k.bound, k.body, k.streams, k.versions, k.positions
    FROM command c CROSS JOIN LATERAL (
        SELECT * FROM journal.idempotency_key k WHERE k.scope = c.scope AND k.key = c.key LIMIT 1
    ) k
), head AS MATERIALIZED (
    SELECT b.number, b.stream, b.version AS base, coalesce(h.version, 0) AS version, coalesce(h.position, 0) AS position
    FROM base b LEFT JOIN LATERAL (
        SELECT e.originator_version AS version, e.notification_id AS position FROM journal.entry e
        WHERE e.originator_id = b.stream ORDER BY e.originator_version DESC LIMIT 1
    ) h ON true
), stale AS MATERIALIZED (
    SELECT DISTINCT number FROM head WHERE base <> version
), appended AS (
    INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash)
    SELECT e.stream, e.version, e.name, e.state, e.kind, e.recorded_at, e.hash
    FROM unnest(%(numbers_of_entries)s::int[], %(streams)s::uuid[], %(versions)s::bigint[], %(names)s::text[],
                %(kinds)s::text[], %(recorded_ats)s::timestamptz[], %(hashes)s::bytea[], %(states)s::bytea[])
        AS e (number, stream, version, name, kind, recorded_at, hash, state)
    WHERE e.number NOT IN (SELECT number FROM remembered) AND e.number NOT IN (SELECT number FROM stale)
    ORDER BY e.stream, e.version
    RETURNING originator_id AS stream, originator_version AS version, notification_id AS position
), outcome AS MATERIALIZED (
    SELECT h.number, array_agg(h.stream ORDER BY h.stream) AS streams,
           array_agg(h.version + coalesce(a.entries, 0) ORDER BY h.stream) AS versions,
           array_agg(coalesce(a.position, h.position) ORDER BY h.stream) AS positions
    FROM head h
    LEFT JOIN (SELECT stream, count(*) AS entries, max(position) AS position FROM appended GROUP BY stream) a USING (stream)
    WHERE h.number NOT IN (SELECT number FROM remembered) AND h.number NOT IN (SELECT number FROM stale)
    GROUP BY h.number
), kept AS (
    INSERT INTO journal.idempotency_key (scope, key, command, bound, body, streams, versions, positions)
    SELECT c.scope, c.key, c.command, c.bound, c.body, o.streams, o.versions, o.positions
    FROM command c JOIN outcome o USING (number)
    WHERE c.key IS NOT NULL
    ORDER BY c.scope, c.key
)
SELECT number, 'appended' AS outcome, NULL::uuid AS command, NULL::bytea AS bound, NULL::bytea AS body,
       streams, versions, positions FROM outcome
UNION ALL
SELECT number, 'remembered', command, bound, body, streams, versions, positions FROM remembered
UNION ALL
SELECT number, 'stale', NULL, NULL, NULL, NULL, NULL, NULL FROM stale WHERE number NOT IN (SELECT number FROM remembered)
