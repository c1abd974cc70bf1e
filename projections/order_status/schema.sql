-- Where every order stands. Everything here follows from the order's own entries.

CREATE TABLE orders (
    order_id uuid PRIMARY KEY,
    number text NOT NULL,
    reference text,
    consumer uuid NOT NULL,
    seller uuid NOT NULL,
    seller_name text NOT NULL,
    history boolean NOT NULL,
    placed_at timestamptz,
    -- What lists are ordered by: when it was placed or, where nobody knows, when the ledger first heard of it.
    listed_at timestamptz NOT NULL,
    promised_by timestamptz,
    state text NOT NULL,
    state_since timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    reads text NOT NULL,
    held boolean NOT NULL,
    held_for text,
    currency text NOT NULL,
    net numeric NOT NULL,
    tax numeric NOT NULL,
    total numeric NOT NULL,
    refund_owed numeric NOT NULL,
    payment text NOT NULL,
    stock text NOT NULL,
    fulfilment text NOT NULL,
    returned text NOT NULL,
    goods_lines int NOT NULL,
    goods_units bigint NOT NULL,
    first_description text NOT NULL,
    open_problems int NOT NULL,
    open_questions int NOT NULL,
    open_shortages int NOT NULL,
    delay_expected boolean NOT NULL,
    delay_unanswered boolean NOT NULL,
    tracking_numbers text[] NOT NULL,
    rma_numbers text[] NOT NULL,
    -- What the fold remembers beside all this.
    folded bytea NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX orders_listed ON orders (listed_at DESC, order_id DESC);
CREATE INDEX orders_state ON orders (state, listed_at DESC, order_id DESC);
-- It is dense already: trying to make it denser costs more than folding it.
ALTER TABLE orders ALTER COLUMN folded SET STORAGE EXTERNAL;

-- Whose an order is: the consumer's, the seller's, that of those who make its lines, and of those who keep its stock.
CREATE TABLE party (
    order_id uuid NOT NULL,
    role text NOT NULL,
    party uuid NOT NULL,
    listed_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, role, party)
);
CREATE INDEX party_listed ON party (party, role, listed_at DESC, order_id DESC);

-- What an order is found by, in lower case: its number, its source's reference, tracking and return numbers, those
-- that were corrected included.
CREATE TABLE term (
    order_id uuid NOT NULL,
    term text COLLATE "C" NOT NULL,
    PRIMARY KEY (order_id, term)
);
CREATE INDEX term_term ON term (term);

-- Who must act now, and on what. The party is whose turn it is, or all zeros: whoever holds the role.
CREATE TABLE waiting (
    order_id uuid NOT NULL,
    role text NOT NULL,
    party uuid NOT NULL,
    what text NOT NULL,
    PRIMARY KEY (order_id, role, party, what)
);
CREATE INDEX waiting_role ON waiting (role, party);
