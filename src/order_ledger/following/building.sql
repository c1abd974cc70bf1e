-- What a schema holds beside its tables for as long as it is being built.

-- The program that began it, the position up to which it is built, and the indexes that are made at the end.
CREATE TABLE building (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    program text NOT NULL,
    until bigint NOT NULL,
    indexes text[] NOT NULL
);

-- Ranges of streams, each folded in one transaction, which marks it as done. Each reaches up to the next one's first.
CREATE TABLE range (
    number int PRIMARY KEY,
    first uuid NOT NULL,
    last uuid NOT NULL,
    done boolean NOT NULL DEFAULT false
);
