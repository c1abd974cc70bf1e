-- The documents of every order. Everything here follows from the order's own entries, and nothing personal is in it.

-- What the documents of an order come to together.
CREATE TABLE account (
    order_id uuid PRIMARY KEY,
    number text NOT NULL,
    consumer uuid NOT NULL,
    seller uuid NOT NULL,
    currency text NOT NULL,
    invoiced numeric NOT NULL,
    credited numeric NOT NULL,
    captured numeric NOT NULL,
    refunded numeric NOT NULL,
    -- What is still to be paid of all invoices.
    open numeric NOT NULL,
    -- What the fold remembers beside all this.
    folded bytea NOT NULL
) WITH (fillfactor = 80);
ALTER TABLE account ALTER COLUMN folded SET STORAGE EXTERNAL;

-- One row per document. `open` is what is still to be paid of an invoice, `credited` what credit notes took off it.
CREATE TABLE document (
    order_id uuid NOT NULL,
    number text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    issued_on date NOT NULL,
    recorded_at timestamptz NOT NULL,
    order_number text NOT NULL,
    consumer uuid NOT NULL,
    seller uuid NOT NULL,
    currency text NOT NULL,
    net numeric,
    tax numeric,
    gross numeric NOT NULL,
    prepaid numeric,
    due numeric,
    due_on date,
    credited numeric,
    open numeric,
    -- The invoice that a credit note corrects, and the refund it is for; the payment that a receipt is for.
    invoice text,
    refund int,
    payment uuid,
    PRIMARY KEY (order_id, number)
);
CREATE INDEX document_issued ON document (issued_on DESC, number DESC);
CREATE INDEX document_seller ON document (seller, issued_on DESC, number DESC);
CREATE INDEX document_consumer ON document (consumer, issued_on DESC, number DESC);
CREATE INDEX document_open ON document (issued_on DESC, number DESC) WHERE open > 0;

-- What a document sums to in one category at one rate.
CREATE TABLE tax_line (
    order_id uuid NOT NULL,
    number text COLLATE "C" NOT NULL,
    place int NOT NULL,
    category text NOT NULL,
    rate numeric NOT NULL,
    basis numeric NOT NULL,
    tax numeric NOT NULL,
    PRIMARY KEY (order_id, number, place)
);
