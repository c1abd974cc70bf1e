-- What the measures are made of. Everything here follows from the order's own entries; a time is NULL where it has not
-- happened, or where its source does not say when.

CREATE TABLE orders (
    order_id uuid PRIMARY KEY,
    number text NOT NULL,
    seller uuid NOT NULL,
    placed_at timestamptz,
    confirmed_at timestamptz,
    -- That of the first shipment.
    shipped_at timestamptz,
    -- The latest of the deliveries that stand, once no open line is before delivered.
    delivered_at timestamptz,
    -- Days are those of the order's time zone.
    delivered_on date,
    first_promised_by timestamptz,
    first_promised_on date,
    latest_promised_by timestamptz,
    latest_promised_on date,
    state text NOT NULL,
    -- When the entry was recorded that put the order in its state.
    state_since timestamptz NOT NULL,
    -- Since when it is held in this state, and how long it was held in it before.
    held_since timestamptz,
    held_before interval NOT NULL,
    -- What the fold remembers beside all this.
    folded bytea NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX orders_placed ON orders (placed_at);
CREATE INDEX orders_seller ON orders (seller);
-- It is dense already: trying to make it denser costs more than folding it.
ALTER TABLE orders ALTER COLUMN folded SET STORAGE EXTERNAL;

-- Goods lines. Started and produced are of run 1; shipped is the first shipment that any of its units left with.
CREATE TABLE line (
    order_id uuid NOT NULL,
    line int NOT NULL,
    kind text NOT NULL,
    item uuid,
    sku text NOT NULL,
    description text NOT NULL,
    manufacturer uuid,
    manufacturer_name text,
    warehouse uuid,
    started_at timestamptz,
    produced_at timestamptz,
    shipped_at timestamptz,
    PRIMARY KEY (order_id, line)
);
CREATE INDEX line_manufacturer ON line (manufacturer) WHERE manufacturer IS NOT NULL;
CREATE INDEX line_warehouse ON line (warehouse) WHERE warehouse IS NOT NULL;

-- Shipments to the consumer; delivered only where that was not taken back.
CREATE TABLE shipment (
    order_id uuid NOT NULL,
    shipment uuid NOT NULL,
    carrier text,
    sender uuid,
    shipped_at timestamptz,
    delivered_at timestamptz,
    PRIMARY KEY (order_id, shipment)
);

-- Units that were delivered, less those that a problem took out of their shipment.
CREATE TABLE arrival (
    order_id uuid NOT NULL,
    shipment uuid NOT NULL,
    line int NOT NULL,
    quantity bigint NOT NULL,
    delivered_at timestamptz,
    PRIMARY KEY (order_id, shipment, line)
);

-- The first attempt at each item of the plan, in run 1 of its line.
CREATE TABLE inspection (
    order_id uuid NOT NULL,
    line int NOT NULL,
    item text NOT NULL,
    required boolean NOT NULL,
    passed boolean NOT NULL,
    at timestamptz,
    PRIMARY KEY (order_id, line, item)
);

-- Steps that were done again to mend a failed item, by the version of their entry.
CREATE TABLE rework (
    order_id uuid NOT NULL,
    version bigint NOT NULL,
    line int NOT NULL,
    run int NOT NULL,
    step text NOT NULL,
    item text NOT NULL,
    -- When it began, as it says; else when the item failed.
    begun_at timestamptz,
    done_at timestamptz,
    PRIMARY KEY (order_id, version)
);

-- Units asked back and come back, by return, line, reason, and the shipment that they are counted under.
CREATE TABLE returned (
    order_id uuid NOT NULL,
    rma text NOT NULL,
    line int NOT NULL,
    reason text NOT NULL,
    shipment uuid NOT NULL,
    requested bigint NOT NULL,
    received bigint NOT NULL,
    delivered_at timestamptz,
    PRIMARY KEY (order_id, rma, line, reason, shipment)
);

-- Refunds; requested only where they are for a return, complete once the payments to the consumer make them whole.
CREATE TABLE refund (
    order_id uuid NOT NULL,
    refund int NOT NULL,
    basis text NOT NULL,
    amount numeric NOT NULL,
    currency text NOT NULL,
    requested_at timestamptz,
    granted_at timestamptz,
    refunded_at timestamptz,
    complete boolean NOT NULL,
    PRIMARY KEY (order_id, refund)
);

-- The roles that must act now, and on what.
CREATE TABLE waiting (
    order_id uuid NOT NULL,
    role text NOT NULL,
    what text NOT NULL,
    PRIMARY KEY (order_id, role, what)
);
