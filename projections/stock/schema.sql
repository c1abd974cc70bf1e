-- How much of every item is there, and how much is waited for. Everything here follows from the entries of items, of
-- their stock, and of orders.

-- Items as they are listed.
CREATE TABLE item (
    item uuid PRIMARY KEY,
    -- The stream of its stock.
    stock uuid NOT NULL,
    seller uuid NOT NULL,
    seller_name text NOT NULL,
    sku text NOT NULL,
    description text NOT NULL,
    kind text NOT NULL,
    unit text NOT NULL,
    warehouse uuid,
    warehouse_name text,
    listed boolean NOT NULL
);
CREATE INDEX item_seller ON item (seller);
CREATE INDEX item_warehouse ON item (warehouse);

-- What lies on the shelf, and what of it is kept for orders.
CREATE TABLE shelf (
    stock uuid PRIMARY KEY,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 80);

-- Units that an order waits for. What spans orders is a SELECT.
CREATE TABLE backorder (
    order_id uuid NOT NULL,
    line int NOT NULL,
    item uuid,
    sku text NOT NULL,
    quantity bigint NOT NULL,
    PRIMARY KEY (order_id, line)
);
CREATE INDEX backorder_item ON backorder (item);

-- What the fold remembers of an order that may wait for something.
CREATE TABLE remembered (
    order_id uuid PRIMARY KEY,
    folded bytea NOT NULL
) WITH (fillfactor = 80);
ALTER TABLE remembered ALTER COLUMN folded SET STORAGE EXTERNAL;
