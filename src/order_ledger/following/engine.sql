-- What every projection's schema holds beside its own tables.

-- Which projection and version this is, and the form of its rows.
CREATE TABLE projection (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    name text NOT NULL,
    version int NOT NULL,
    fingerprint text NOT NULL
);

-- How far each part has been folded. Locking its row is the one mutex: for following, retrying and swapping alike.
CREATE TABLE bookmark (
    part int PRIMARY KEY,
    parts int NOT NULL,
    position bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

-- Streams whose fold failed: the entry that it failed on, and the last of those that wait behind it.
CREATE TABLE parked (
    stream uuid PRIMARY KEY,
    kind text NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,
    name text NOT NULL,
    error text NOT NULL,
    last_version bigint NOT NULL,
    last_position bigint NOT NULL
);
