-- The same fold in SQL, for the events of the invented journal: the tables of order_status with the same rows, their
-- indexes and statistics, and beside each order the state that a follower goes on from, here as JSON. It leaves out what
-- happens to no order of that journal.
--
-- Each entry's JSON is read once. An order is in the state of its least advanced line, so units are summed up line by
-- line after each event that may move an order; since when it is in that state follows from the states before.

CREATE SCHEMA in_sql;
SET LOCAL search_path TO in_sql;
-- The server gets what such a statement wants: memory to sort in, and both cores for what is costly by the row. What
-- stands only in between need not survive a crash.
SET LOCAL work_mem TO '256MB';
SET LOCAL parallel_tuple_cost TO 0;

CREATE UNLOGGED TABLE entry AS
SELECT originator_id AS id, originator_version AS version, topic, recorded_at, state ->> 'at' AS at,
       state -> 'data' AS data
FROM (
    SELECT originator_id, originator_version, topic, recorded_at, convert_from(state, 'UTF8')::jsonb AS state
    FROM journal.entry WHERE kind = 'order' AND topic <> ALL ({ignored})
) read;
CREATE INDEX ON entry (topic);
ANALYZE entry;

CREATE UNLOGGED TABLE line AS
SELECT id, (ordered ->> 'line')::int AS line, ordered ->> 'kind' AS kind, (ordered ->> 'quantity')::int AS quantity,
       ordered ->> 'description' AS description, (ordered #>> '{warehouse,id}')::uuid AS warehouse, ordered
FROM entry, jsonb_array_elements(data -> 'lines') ordered WHERE topic = 'OrderPlaced';
ANALYZE line;

CREATE UNLOGGED TABLE shipment AS
SELECT shipped.id, shipped.version, shipped.at, shipped.data, shipped.data ->> 'tracking_number' AS tracking_number,
       shipped.data -> 'lines' AS lines, delivered.version AS delivered_version, delivered.at AS delivered_at,
       delivered.recorded_at AS delivered_since, delivered.data ->> 'proof' AS delivered_by, progress.status,
       progress.at AS progressed_at
FROM entry shipped
LEFT JOIN entry delivered ON delivered.topic = 'OrderDelivered' AND delivered.id = shipped.id
    AND delivered.data ->> 'shipment' = shipped.data ->> 'shipment'
LEFT JOIN (
    SELECT DISTINCT ON (id, data ->> 'shipment') id, data ->> 'shipment' AS shipment, data ->> 'status' AS status, at
    FROM entry WHERE topic = 'ShipmentProgressed' ORDER BY id, data ->> 'shipment', version DESC
) progress ON progress.id = shipped.id AND progress.shipment = shipped.data ->> 'shipment'
WHERE shipped.topic = 'OrderShipped';
ANALYZE shipment;

-- What each event does to the units of each line.
CREATE UNLOGGED TABLE moved AS
SELECT id, version, (unit ->> 'line')::int AS line, (unit ->> 'quantity')::int AS kept, 0 AS started, 0 AS produced,
       0 AS shipped, 0 AS arrived
FROM entry, jsonb_array_elements(data -> 'lines') unit WHERE topic = 'StockAllocated'
UNION ALL
SELECT id, version, (data ->> 'line')::int, 0, 1, 0, 0, 0 FROM entry WHERE topic = 'ProductionStarted'
UNION ALL
SELECT id, version, (data ->> 'line')::int, 0, -1, (data ->> 'quantity')::int, 0, 0
FROM entry WHERE topic = 'ProductionCompleted'
UNION ALL
SELECT id, version, (unit ->> 'line')::int, 0, 0, 0, (unit ->> 'quantity')::int, 0
FROM shipment, jsonb_array_elements(lines) unit
UNION ALL
SELECT id, delivered_version, (unit ->> 'line')::int, 0, 0, 0, 0, (unit ->> 'quantity')::int
FROM shipment, jsonb_array_elements(lines) unit WHERE delivered_version IS NOT NULL;
ANALYZE moved;

-- Every line after every event that may move its order.
CREATE UNLOGGED TABLE stood AS
SELECT id, version, recorded_at, line, kind, quantity, in_production, completed, confirmed, produced, shipped, arrived,
       rest, shelf,
       CASE WHEN arrived >= quantity THEN 5
            WHEN shipped >= quantity THEN 4
            WHEN NOT confirmed THEN 0
            WHEN shelf >= rest THEN 3
            WHEN in_production THEN 2
            ELSE 1 END AS advance
FROM (
    SELECT *, quantity - shipped AS rest,
           CASE kind WHEN 'from_stock' THEN greatest(kept - shipped, 0)
                     ELSE greatest(least(quantity - shipped, produced - shipped), 0) END AS shelf
    FROM (
        SELECT entry.id, entry.version, entry.recorded_at, line.line, line.kind, line.quantity,
               coalesce(sum(kept) OVER so_far, 0) AS kept,
               coalesce(sum(started) OVER so_far, 0) > 0 AS in_production,
               coalesce(sum(produced) OVER so_far, 0) AS produced,
               coalesce(sum(shipped) OVER so_far, 0) AS shipped,
               coalesce(sum(arrived) OVER so_far, 0) AS arrived,
               bool_or(topic = 'OrderConfirmed') OVER so_far AS confirmed,
               bool_or(topic = 'OrderCompleted') OVER so_far AS completed
        FROM entry JOIN line USING (id) LEFT JOIN moved USING (id, version, line)
        WHERE topic IN ('OrderPlaced', 'StockAllocated', 'OrderConfirmed', 'ProductionStarted', 'ProductionCompleted',
                        'OrderShipped', 'OrderDelivered', 'OrderCompleted')
        WINDOW so_far AS (PARTITION BY entry.id, line.line ORDER BY entry.version)
    ) summed
) line;
ANALYZE stood;

-- The state of every order, and since when it is in it.
CREATE UNLOGGED TABLE state AS
SELECT DISTINCT ON (id) id, state, since
FROM (
    SELECT id, version, state, max(came) OVER (PARTITION BY id ORDER BY version) AS since
    FROM (
        SELECT id, version, state,
               CASE WHEN state IS DISTINCT FROM lag(state) OVER (PARTITION BY id ORDER BY version)
                    THEN recorded_at END AS came
        FROM (
            SELECT id, version, min(recorded_at) AS recorded_at,
                   CASE WHEN bool_and(completed) AND min(advance) = 5 THEN 'completed'
                        ELSE (ARRAY['placed', 'confirmed', 'in_production', 'ready_to_ship', 'shipping', 'delivered'])
                             [min(advance) + 1] END AS state
            FROM stood GROUP BY id, version
        ) one
    ) one
) one ORDER BY id, version DESC;
ANALYZE state;

-- What a follower goes on from, part by part: what an order has that is not as it is in most orders.
CREATE UNLOGGED TABLE run AS
WITH step AS (
    SELECT id, line, run, json_object_agg(step, attempt) AS steps
    FROM (
        SELECT DISTINCT ON (id, line, run, step) * FROM (
            SELECT id, version, (data ->> 'line')::int AS line, (data ->> 'run')::int AS run, data ->> 'step' AS step,
                   (data ->> 'attempt')::int AS attempt
            FROM entry WHERE topic = 'ProductionStepCompleted'
        ) done ORDER BY id, line, run, step, version DESC
    ) last GROUP BY id, line, run
), checked AS (
    SELECT id, line, run, json_object_agg(item, json_build_object(
               'attempts', attempt, 'at', at,
               'state', CASE WHEN again > version THEN 'pending' WHEN passed THEN 'passed' ELSE 'failed' END)) AS checks
    FROM (
        SELECT DISTINCT ON (id, line, run, item) * FROM (
            SELECT id, version, at, (data ->> 'line')::int AS line, (data ->> 'run')::int AS run, data ->> 'item' AS item,
                   (data ->> 'attempt')::int AS attempt, (data ->> 'passed')::boolean AS passed
            FROM entry WHERE topic = 'InspectionItemCompleted'
        ) tried ORDER BY id, line, run, item, version DESC
    ) last
    LEFT JOIN (
        SELECT id, (data ->> 'line')::int AS line, (data ->> 'run')::int AS run, data ->> 'rework_for' AS item,
               max(version) AS again
        FROM entry WHERE topic = 'ProductionStepCompleted' AND data ->> 'rework_for' IS NOT NULL GROUP BY 1, 2, 3, 4
    ) rework USING (id, line, run, item)
    GROUP BY id, line, run
)
SELECT id, line, json_agg(json_build_object('run', run, 'quantity', quantity, 'completed', completed,
           'steps', coalesce(steps, '{}'), 'checks', coalesce(checks, '{}')) ORDER BY run) AS runs
FROM (
    SELECT started.id, (started.data ->> 'line')::int AS line, (started.data ->> 'run')::int AS run,
           (started.data ->> 'quantity')::int AS quantity, completed.id IS NOT NULL AS completed
    FROM entry started
    LEFT JOIN entry completed ON completed.topic = 'ProductionCompleted' AND completed.id = started.id
        AND completed.data -> 'line' = started.data -> 'line' AND completed.data -> 'run' = started.data -> 'run'
    WHERE started.topic = 'ProductionStarted'
) begun LEFT JOIN step USING (id, line, run) LEFT JOIN checked USING (id, line, run)
GROUP BY id, line;

CREATE UNLOGGED TABLE folded_lines AS
SELECT id, json_object_agg(line, json_build_object(
           'ordered', ordered, 'wanted', quantity, 'manufacturer', manufacturer, 'shipped', shipped,
           'arrived', arrived, 'kept', kept, 'reservations', coalesce(reservations, '[]'), 'produced', produced,
           'runs', coalesce(runs, '[]'))) AS lines
FROM (
    SELECT DISTINCT ON (id, line) id, line, shipped, arrived, produced,
           CASE kind WHEN 'from_stock' THEN shelf ELSE 0 END AS kept
    FROM stood ORDER BY id, line, version DESC
) now
JOIN line USING (id, line)
LEFT JOIN (
    SELECT id, (unit ->> 'line')::int AS line, json_agg(unit -> 'reservation' ORDER BY version) AS reservations
    FROM entry, jsonb_array_elements(data -> 'lines') unit WHERE topic = 'StockAllocated' GROUP BY 1, 2
) allocated USING (id, line)
LEFT JOIN (
    SELECT id, number::int AS line, data -> 'manufacturer' AS manufacturer
    FROM entry, jsonb_array_elements_text(data -> 'lines') number WHERE topic = 'ManufacturerAssigned'
) assigned USING (id, line)
LEFT JOIN run USING (id, line)
GROUP BY id;
ANALYZE folded_lines;

CREATE UNLOGGED TABLE last AS
SELECT id, max(recorded_at) AS changed_at, max(version) AS version FROM entry GROUP BY id;
ANALYZE last;

CREATE UNLOGGED TABLE lines AS
SELECT id, count(*) AS goods_lines, sum(quantity) AS wanted, sum(shipped) AS sent, sum(arrived) AS arrived,
       bool_or(kind = 'from_stock') AS any_from_stock, bool_or(kind = 'from_stock' AND shelf < rest) AS any_unkept,
       bool_or(kind = 'from_stock' AND rest > 0) AS any_rest
FROM (SELECT DISTINCT ON (id, line) * FROM stood ORDER BY id, line, version DESC) now GROUP BY id;
ANALYZE lines;

CREATE UNLOGGED TABLE paid AS
SELECT id, sum((data #>> '{amount,amount}')::numeric) AS captured,
       json_agg((data - 'instalments') || jsonb_build_object('amount', data #> '{amount,amount}') ORDER BY version)
           AS payments
FROM entry
WHERE topic = 'PaymentRecorded' AND data ->> 'kind' = 'captured' GROUP BY id;
ANALYZE paid;

CREATE UNLOGGED TABLE parcels AS
SELECT id, array_agg(tracking_number ORDER BY version) AS tracking_numbers,
       bool_or(delivered_version IS NULL AND status = 'out_for_delivery') AS out_for_delivery,
       bool_or(delivered_version IS NOT NULL) AS any_delivered, max(delivered_since) AS delivered_since,
       json_object_agg(data ->> 'shipment', json_build_object(
           'shipment', data -> 'shipment', 'units', units, 'shipped', units, 'sender', data -> 'sender',
           'carrier', data -> 'carrier', 'tracking_number', tracking_number, 'tracking_url', data -> 'tracking_url',
           'replaces', data -> 'replaces', 'at', at, 'delivered_version', delivered_version,
           'delivered_at', delivered_at, 'delivered_by', delivered_by,
           'number_at_delivery', CASE WHEN delivered_version IS NOT NULL THEN tracking_number END,
           'progress', status, 'progressed_at', progressed_at,
           'carrier_events', CASE WHEN status IS NULL THEN '[]' ELSE '[""]' END::jsonb)) AS by_shipment
FROM shipment CROSS JOIN LATERAL (
    SELECT json_object_agg(unit ->> 'line', unit -> 'quantity') AS units FROM jsonb_array_elements(lines) unit
) units
GROUP BY id;
ANALYZE parcels;

CREATE UNLOGGED TABLE first AS
SELECT DISTINCT ON (id) id, description AS first_description FROM line ORDER BY id, line;
ANALYZE first;

CREATE UNLOGGED TABLE confirmed AS
SELECT id, at, (data ->> 'promised_by')::timestamptz AS promised_by FROM entry WHERE topic = 'OrderConfirmed';
ANALYZE confirmed;

CREATE TABLE orders WITH (toast_tuple_target = 8160) AS
SELECT id AS order_id, placed.data ->> 'number' AS number, placed.data ->> 'reference' AS reference,
       (placed.data ->> 'consumer')::uuid AS consumer, (placed.data #>> '{seller,id}')::uuid AS seller,
       placed.data #>> '{seller,name}' AS seller_name, (placed.data ->> 'history')::boolean AS history,
       placed.at::timestamptz AS placed_at, coalesce(placed.at::timestamptz, placed.recorded_at) AS listed_at,
       coalesce(confirmed.promised_by, (placed.data ->> 'promised_by')::timestamptz) AS promised_by,
       state.state, state.since AS state_since, changed_at,
       CASE state.state
            WHEN 'placed' THEN 'Order received'
            WHEN 'confirmed' THEN 'Processing'
            WHEN 'in_production' THEN 'Processing: being made'
            WHEN 'ready_to_ship' THEN 'Processing: ready to ship'
            WHEN 'shipping' THEN CASE WHEN out_for_delivery THEN 'Out for delivery'
                                      WHEN any_delivered THEN 'Partly delivered' ELSE 'Shipped' END
            WHEN 'delivered' THEN 'Delivered'
            ELSE 'Complete' END AS reads,
       false AS held, NULL::text AS held_for, placed.data #>> '{total,currency}' AS currency,
       (placed.data #>> '{net,amount}')::numeric AS net, (placed.data #>> '{tax,amount}')::numeric AS tax, total,
       0::numeric AS refund_owed,
       CASE WHEN captured IS NULL THEN 'unpaid' WHEN captured < total THEN 'partly_paid'
            WHEN captured = total THEN 'paid' ELSE 'overpaid' END AS payment,
       CASE WHEN NOT any_from_stock THEN 'none' WHEN any_unkept THEN 'unchecked'
            WHEN any_rest THEN 'allocated' ELSE 'issued' END AS stock,
       CASE WHEN sent = 0 THEN 'unshipped' WHEN arrived >= wanted THEN 'delivered'
            WHEN arrived > 0 THEN 'partly_delivered' WHEN sent >= wanted THEN 'shipped' ELSE 'partly_shipped' END AS fulfilment,
       'none' AS returned, goods_lines, wanted AS goods_units, first_description, 0 AS open_problems,
       0 AS open_questions, 0 AS open_shortages, false AS delay_expected, false AS delay_unanswered,
       coalesce(tracking_numbers, '{}') AS tracking_numbers, ARRAY[]::text[] AS rma_numbers,
       json_build_object(
           'state', state.state, 'state_since', state.since, 'begun_at', placed.recorded_at,
           'numbers', coalesce(tracking_numbers, '{}'),
           'order', json_build_object(
               'id', id, 'version', last.version, 'recorded_at', changed_at, 'placed_at', placed.at,
               'placed', placed.data || '{"contact": {"sealed": "", "box": ""}, "bill_to": {"sealed": "", "box": ""},
                                          "ship_to": {"sealed": "", "box": ""}, "lines": []}',
               'lines', folded_lines.lines, 'implied', false, 'net', placed.data -> 'net', 'tax', placed.data -> 'tax',
               'total', placed.data -> 'total', 'ship_to', json_build_object('sealed', '', 'box', ''),
               'ship_to_country', placed.data -> 'ship_to_country', 'ship_to_region', placed.data -> 'ship_to_region',
               'zone', placed.data -> 'zone',
               'promised_by', coalesce(to_jsonb(confirmed.promised_by), placed.data -> 'promised_by'),
               'confirmed', confirmed.id IS NOT NULL, 'confirmed_at', confirmed.at, 'completed_by', done.cause,
               'delivered_since', delivered_since, 'shipments', coalesce(by_shipment, '{}'),
               'payments', coalesce(payments, '[]'), 'captured', coalesce(captured, 0)::text)) AS folded,
       -- For whose turn it is.
       placed.data #>> '{terms,pay}' = 'prepaid' AND coalesce(captured, 0) < total AS unpaid, wanted > sent AS unshipped
FROM (SELECT *, (data #>> '{total,amount}')::numeric AS total FROM entry WHERE topic = 'OrderPlaced') placed
JOIN last USING (id)
JOIN folded_lines USING (id)
LEFT JOIN (SELECT id, data ->> 'cause' AS cause FROM entry WHERE topic = 'OrderCompleted') done USING (id)
JOIN state USING (id)
JOIN lines USING (id)
JOIN first USING (id)
LEFT JOIN confirmed USING (id)
LEFT JOIN paid USING (id)
LEFT JOIN parcels USING (id);

CREATE UNLOGGED TABLE maker AS
SELECT id, number::int AS line, (data #>> '{manufacturer,id}')::uuid AS manufacturer
FROM entry, jsonb_array_elements_text(data -> 'lines') number WHERE topic = 'ManufacturerAssigned';

CREATE TABLE party AS
SELECT order_id, role, party, listed_at FROM orders JOIN (
    SELECT order_id AS id, 'consumer' AS role, consumer AS party FROM orders
    UNION SELECT order_id, 'ip_owner', seller FROM orders
    UNION SELECT id, 'manufacturer', manufacturer FROM maker
    UNION SELECT id, 'warehouse', warehouse FROM line WHERE warehouse IS NOT NULL
) involved ON id = order_id;

CREATE TABLE term AS
SELECT order_id, left(lower(number), 200) COLLATE "C" AS term FROM orders
UNION SELECT order_id, left(lower(reference), 200) FROM orders WHERE reference <> ''
UNION SELECT id, left(lower(tracking_number), 200) FROM shipment WHERE tracking_number <> '';

CREATE TABLE waiting AS
WITH now AS (
    SELECT DISTINCT ON (stood.id, stood.line) stood.*, warehouse, manufacturer, seller, unpaid
    FROM stood JOIN line USING (id, line) LEFT JOIN maker USING (id, line) JOIN orders ON order_id = stood.id
    WHERE orders.state <> 'completed' ORDER BY stood.id, stood.line, stood.version DESC
), failed AS (
    -- Every check that failed here is followed by its step, done again, from which it is pending.
    SELECT id FROM (
        SELECT DISTINCT ON (id) id, data -> 'passed' = 'false' AS failed FROM entry
        WHERE topic IN ('ProductionStepCompleted', 'InspectionItemCompleted') ORDER BY id, version DESC
    ) last WHERE failed
), nobody AS (SELECT '00000000-0000-0000-0000-000000000000'::uuid AS party)
SELECT order_id, 'consumer' AS role, consumer AS party, 'pay' AS what FROM orders
WHERE unpaid AND unshipped AND state <> 'completed'
UNION SELECT order_id, 'ip_owner', seller, 'confirm' FROM orders WHERE state = 'placed' AND stock <> 'unchecked'
UNION SELECT order_id, 'consumer', consumer, 'complete' FROM orders WHERE state = 'delivered'
UNION SELECT id, 'ledger', party, 'allocate' FROM now, nobody WHERE rest > shelf AND kind = 'from_stock'
UNION SELECT id, 'ip_owner', seller, 'assign' FROM now
WHERE rest > shelf AND kind = 'made_to_order' AND manufacturer IS NULL
UNION SELECT id, 'manufacturer', manufacturer, CASE WHEN in_production THEN 'produce' ELSE 'start_production' END
FROM now
WHERE rest > shelf AND manufacturer IS NOT NULL AND (in_production OR confirmed AND NOT unpaid)
UNION SELECT id, 'ip_owner', seller, 'concede' FROM now JOIN failed USING (id)
WHERE rest > shelf AND manufacturer IS NOT NULL AND in_production
UNION SELECT id, CASE kind WHEN 'from_stock' THEN 'warehouse' ELSE 'manufacturer' END,
             CASE kind WHEN 'from_stock' THEN warehouse ELSE manufacturer END, 'ship'
FROM now WHERE confirmed AND NOT unpaid AND shelf > 0;

ALTER TABLE orders DROP COLUMN unpaid, DROP COLUMN unshipped;
ALTER TABLE orders ADD PRIMARY KEY (order_id);
CREATE INDEX ON orders (listed_at DESC, order_id DESC);
CREATE INDEX ON orders (state, listed_at DESC, order_id DESC);
ALTER TABLE party ADD PRIMARY KEY (order_id, role, party);
CREATE INDEX ON party (party, role, listed_at DESC, order_id DESC);
ALTER TABLE term ADD PRIMARY KEY (order_id, term);
CREATE INDEX ON term (term);
ALTER TABLE waiting ADD PRIMARY KEY (order_id, role, party, what);
CREATE INDEX ON waiting (role, party);
ANALYZE orders (order_id, listed_at, state), party, term, waiting;
