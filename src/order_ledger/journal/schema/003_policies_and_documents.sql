-- What the ledger does by itself, and the documents it issues.

-- How far each policy has answered the feed. Locking its row is what lets one process of a policy work at a time.
CREATE SCHEMA policies;
CREATE TABLE policies.bookmark (
    policy text PRIMARY KEY,
    position bigint NOT NULL
) WITH (fillfactor = 20);

-- What a policy should have done and was refused: of which entry, what, why, and who can mend it. It is tried again when
-- the order goes on, or one of the streams it waits for; once it is done, its row is gone.
CREATE TABLE policies.open_case (
    policy text NOT NULL,
    kind text NOT NULL,
    stream uuid NOT NULL,
    version bigint NOT NULL,
    task text NOT NULL,
    code text NOT NULL,
    what text NOT NULL,
    who text[] NOT NULL,
    waits_for uuid[] NOT NULL,
    opened_at timestamptz NOT NULL,
    tried_at timestamptz NOT NULL,
    tries int NOT NULL DEFAULT 1,
    due boolean NOT NULL DEFAULT false,
    PRIMARY KEY (policy, stream, version, task)
);
CREATE INDEX open_case_due ON policies.open_case (policy, opened_at, stream, version) WHERE due;
CREATE INDEX open_case_waits ON policies.open_case USING gin (waits_for);

-- The last number drawn and the last day used, by seller's code and kind of document. The row is locked by whoever
-- appends the document, so that numbers have no gap and days never go back.
CREATE SCHEMA documents;
CREATE TABLE documents.counter (
    code text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('INV', 'CRN', 'RCP')),
    sequence int NOT NULL DEFAULT 0,
    last_on date,
    PRIMARY KEY (code, kind),
    CHECK ((sequence = 0) = (last_on IS NULL))
) WITH (fillfactor = 20);

-- The hash of the first file made of a document, by media type, layout, whether its buyer was erased, and the programs
-- that made it. Every later file is held against it.
CREATE TABLE documents.file (
    number text NOT NULL,
    media_type text NOT NULL,
    layout text NOT NULL,
    erased boolean NOT NULL,
    made_with text NOT NULL,
    sha256 journal.sha256 NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (number, media_type, layout, erased, made_with)
);
CREATE TRIGGER permanent BEFORE UPDATE OR DELETE OR TRUNCATE ON documents.file
    FOR EACH STATEMENT EXECUTE FUNCTION journal.refuse_change();
