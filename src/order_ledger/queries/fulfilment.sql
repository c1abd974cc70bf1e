-- Every measure at once, so that all are of one moment: rows of (measure, group, name within the group, figures).
-- The group '' is the whole; the others are those of %(group_by)s: month, manufacturer, carrier or item. An order counts
-- once in every group it touches, so groups need not sum to the whole. Hours are those between two times, with their
-- sign; percentiles are by linear interpolation; a time that is not known counts in nothing. Hours are summed in their
-- own order: a sum of such numbers depends on it in its last digit, and must not depend on where rows lie.
WITH chosen AS MATERIALIZED (
    -- Whose orders: all, or those of one party.
    SELECT o.order_id, o.number, o.placed_at, o.confirmed_at, o.shipped_at, o.delivered_at, o.delivered_on,
        o.first_promised_by, o.first_promised_on, o.latest_promised_by, o.latest_promised_on, o.state, o.state_since,
        o.held_since, o.held_before,
        (%(from)s::timestamptz IS NULL OR o.placed_at >= %(from)s)
            AND (%(to)s::timestamptz IS NULL OR o.placed_at < %(to)s) AS in_period
    FROM fulfilment.orders o
    WHERE %(party)s::uuid IS NULL OR (%(role)s = 'ip_owner' AND o.seller = %(party)s)
        OR (%(role)s = 'manufacturer'
            AND o.order_id IN (SELECT l.order_id FROM fulfilment.line l WHERE l.manufacturer = %(party)s))
        OR (%(role)s = 'warehouse'
            AND o.order_id IN (SELECT l.order_id FROM fulfilment.line l WHERE l.warehouse = %(party)s))
),
chosen_line AS MATERIALIZED (
    -- A maker or keeper measures its own lines.
    SELECT l.*, coalesce(l.item::text, nullif(l.sku, '')) AS item_key, c.placed_at, c.confirmed_at, c.in_period
    FROM fulfilment.line l JOIN chosen c USING (order_id)
    WHERE %(party)s::uuid IS NULL OR %(role)s = 'ip_owner' OR (%(role)s = 'manufacturer' AND l.manufacturer = %(party)s)
        OR (%(role)s = 'warehouse' AND l.warehouse = %(party)s)
),
chosen_shipment AS MATERIALIZED (
    SELECT s.*, coalesce(s.carrier, 'unknown') AS carrier_key, c.in_period
    FROM fulfilment.shipment s JOIN chosen c USING (order_id)
    WHERE %(party)s::uuid IS NULL OR %(role)s = 'ip_owner' OR s.sender = %(party)s
),
order_group AS MATERIALIZED (
    SELECT order_id, '' AS key FROM chosen
    UNION ALL
    SELECT order_id, to_char(placed_at AT TIME ZONE 'UTC', 'YYYY-MM') FROM chosen
    WHERE %(group_by)s = 'month' AND placed_at IS NOT NULL
    UNION ALL
    SELECT DISTINCT order_id, manufacturer::text FROM chosen_line
    WHERE %(group_by)s = 'manufacturer' AND manufacturer IS NOT NULL
    UNION ALL
    SELECT DISTINCT order_id, item_key FROM chosen_line WHERE %(group_by)s = 'item' AND item_key IS NOT NULL
    UNION ALL
    SELECT DISTINCT order_id, carrier_key FROM chosen_shipment WHERE %(group_by)s = 'carrier'
),
line_group AS MATERIALIZED (
    -- A line counts under its own maker and item, and under the month and the carriers of its order.
    SELECT order_id, line, '' AS key FROM chosen_line
    UNION ALL
    SELECT order_id, line, CASE %(group_by)s WHEN 'manufacturer' THEN manufacturer::text ELSE item_key END
    FROM chosen_line
    WHERE (%(group_by)s = 'manufacturer' AND manufacturer IS NOT NULL) OR (%(group_by)s = 'item' AND item_key IS NOT NULL)
    UNION ALL
    SELECT l.order_id, l.line, g.key FROM chosen_line l JOIN order_group g USING (order_id)
    WHERE %(group_by)s IN ('month', 'carrier') AND g.key <> ''
),
placed AS MATERIALIZED (
    SELECT g.key, c.*,
        c.state IN ('delivered', 'completed') AS is_delivered,
        c.state IN ('delivered', 'completed') AND c.delivered_at <= c.first_promised_by AS in_time
    FROM chosen c JOIN order_group g USING (order_id) WHERE c.in_period
),
took AS (
    SELECT key, 'placed_to_confirmed' AS name, confirmed_at - placed_at AS took FROM placed
    UNION ALL SELECT key, 'confirmed_to_shipped', shipped_at - confirmed_at FROM placed
    UNION ALL SELECT key, 'shipped_to_delivered', delivered_at - shipped_at FROM placed
    UNION ALL SELECT key, 'placed_to_delivered', delivered_at - placed_at FROM placed
    UNION ALL
    SELECT g.key, stage.name, stage.took
    FROM chosen_line l JOIN line_group g USING (order_id, line) CROSS JOIN LATERAL (
        VALUES ('confirmed_to_started', l.started_at - l.confirmed_at), ('started_to_produced', l.produced_at - l.started_at),
            ('produced_to_shipped', l.shipped_at - l.produced_at)
    ) AS stage (name, took)
    WHERE l.kind = 'made_to_order' AND l.in_period
    UNION ALL
    SELECT g.key, 'carrier ' || s.carrier_key, s.delivered_at - s.shipped_at
    FROM chosen_shipment s JOIN order_group g USING (order_id)
    WHERE s.in_period AND (%(group_by)s IS DISTINCT FROM 'carrier' OR g.key IN ('', s.carrier_key))
    UNION ALL
    SELECT g.key, 'rework', r.done_at - r.begun_at
    FROM fulfilment.rework r JOIN chosen_line l USING (order_id, line) JOIN line_group g USING (order_id, line)
    WHERE l.in_period
    UNION ALL
    SELECT g.key, cycle.name, cycle.took
    FROM fulfilment.refund r JOIN chosen c USING (order_id) JOIN order_group g USING (order_id) CROSS JOIN LATERAL (
        VALUES ('granted_to_refunded', r.refunded_at - r.granted_at), ('requested_to_refunded', r.refunded_at - r.requested_at)
    ) AS cycle (name, took)
    WHERE c.in_period
),
inspected AS (
    -- In the month of the attempt.
    SELECT CASE WHEN g.key <> '' AND %(group_by)s = 'month' THEN to_char(i.at AT TIME ZONE 'UTC', 'YYYY-MM') ELSE g.key END
        AS key, i.passed
    FROM fulfilment.inspection i JOIN chosen_line l USING (order_id, line) JOIN line_group g USING (order_id, line)
    WHERE i.required AND (%(from)s::timestamptz IS NULL OR i.at >= %(from)s) AND (%(to)s::timestamptz IS NULL OR i.at < %(to)s)
),
unit AS (
    -- In the month of delivery: what arrived, and what of it was asked back and came back.
    SELECT order_id, line, '' AS reason, quantity AS delivered, 0 AS requested, 0 AS received, delivered_at
    FROM fulfilment.arrival
    UNION ALL
    SELECT order_id, line, reason, 0, requested, received, delivered_at FROM fulfilment.returned
),
counted_unit AS (
    SELECT CASE WHEN g.key <> '' AND %(group_by)s = 'month' THEN to_char(u.delivered_at AT TIME ZONE 'UTC', 'YYYY-MM')
            ELSE g.key END AS key,
        u.reason, u.delivered, u.requested, u.received
    FROM unit u JOIN chosen_line l USING (order_id, line) JOIN line_group g USING (order_id, line)
    WHERE (%(from)s::timestamptz IS NULL OR u.delivered_at >= %(from)s)
        AND (%(to)s::timestamptz IS NULL OR u.delivered_at < %(to)s)
),
wait AS MATERIALIZED (
    -- Since the order came into its state; held time is apart. What had happened by a moment may have been recorded after
    -- it: such an order had not waited yet.
    SELECT s.*, greatest(s.all_hours - s.held_hours, 0) AS hours
    FROM (
        SELECT p.order_id, p.number, p.state, p.state_since,
            date_part('epoch', %(now)s - p.state_since) / 3600 AS all_hours,
            date_part('epoch', p.held_before + coalesce(greatest(%(now)s - p.held_since, '0'), '0')) / 3600 AS held_hours
        FROM placed p WHERE p.key = '' AND p.order_id IN (SELECT w.order_id FROM fulfilment.waiting w)
    ) s
),
longest AS (
    SELECT w.*, (
            SELECT jsonb_agg(t.role || ':' || t.what ORDER BY t.role, t.what) FROM fulfilment.waiting t
            WHERE t.order_id = w.order_id
        ) AS turns
    FROM wait w ORDER BY w.hours DESC, w.order_id LIMIT %(longest)s
)
SELECT 'position' AS measure, '' AS key, '' AS name, to_jsonb(min(position)) AS figures FROM fulfilment.bookmark
UNION ALL
SELECT 'orders', key, '', jsonb_build_object('orders', count(*), 'delivered', count(*) FILTER (WHERE is_delivered))
FROM placed GROUP BY key
UNION ALL
SELECT 'placed_month', '', to_char(placed_at AT TIME ZONE 'UTC', 'YYYY-MM'), jsonb_build_object('orders', count(*),
    'delivered', count(*) FILTER (WHERE is_delivered), 'on_time_instant', count(*) FILTER (WHERE in_time))
FROM placed WHERE key = '' AND placed_at IS NOT NULL GROUP BY 3
UNION ALL
SELECT 'hours', key, name, jsonb_build_object('n', count(*), 'mean', avg(hours ORDER BY hours),
    'median', percentile_cont(0.5) WITHIN GROUP (ORDER BY hours),
    'p90', percentile_cont(0.9) WITHIN GROUP (ORDER BY hours),
    'p95', percentile_cont(0.95) WITHIN GROUP (ORDER BY hours))
FROM (SELECT key, name, date_part('epoch', took) / 3600 AS hours FROM took WHERE took IS NOT NULL) h
GROUP BY key, name
UNION ALL
SELECT 'on_time', key, promise.name, jsonb_build_object('n', count(*),
    'instant', count(*) FILTER (WHERE delivered_at <= promise.by), 'calendar_day', count(*) FILTER (WHERE delivered_on <= promise.on))
FROM placed CROSS JOIN LATERAL (
    VALUES ('first', first_promised_by, first_promised_on), ('latest', latest_promised_by, latest_promised_on)
) AS promise (name, by, "on")
WHERE is_delivered AND delivered_at IS NOT NULL AND promise.by IS NOT NULL GROUP BY key, promise.name
UNION ALL
SELECT 'first_pass', key, '', jsonb_build_object('n', count(*), 'passed', count(*) FILTER (WHERE passed))
FROM inspected WHERE key IS NOT NULL GROUP BY key
UNION ALL
SELECT 'rework', g.key, '', jsonb_build_object('n', count(*))
FROM fulfilment.rework r JOIN chosen_line l USING (order_id, line) JOIN line_group g USING (order_id, line)
WHERE l.in_period GROUP BY g.key
UNION ALL
SELECT 'units', key, reason, jsonb_build_object('delivered', sum(delivered), 'requested', sum(requested), 'received', sum(received))
FROM counted_unit WHERE key IS NOT NULL GROUP BY key, reason
UNION ALL
SELECT 'refunds', g.key, r.basis, jsonb_build_object('n', count(*), 'complete', count(*) FILTER (WHERE r.complete))
FROM fulfilment.refund r JOIN chosen c USING (order_id) JOIN order_group g USING (order_id)
WHERE c.in_period GROUP BY g.key, r.basis
UNION ALL
SELECT 'waiting', '', role, jsonb_agg(jsonb_build_object('state', state, 'n', n, 'median', median, 'longest', longest,
    'held', held))
FROM (
    SELECT t.role, w.state, count(*) AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY w.hours) AS median,
        max(w.hours) AS longest, sum(w.held_hours ORDER BY w.held_hours) AS held
    FROM wait w JOIN (SELECT DISTINCT order_id, role FROM fulfilment.waiting) t USING (order_id)
    GROUP BY t.role, w.state
) r
GROUP BY role
UNION ALL
SELECT 'longest', '', order_id::text, jsonb_build_object('number', number, 'state', state, 'since', state_since,
    'hours', hours, 'held', held_hours, 'turns', turns)
FROM longest
UNION ALL
SELECT 'label', manufacturer::text, '', to_jsonb(max(manufacturer_name)) FROM chosen_line
WHERE %(group_by)s = 'manufacturer' AND manufacturer IS NOT NULL GROUP BY manufacturer
UNION ALL
SELECT 'label', item_key, '', to_jsonb(max(concat_ws(', ', nullif(sku, ''), nullif(description, '')))) FROM chosen_line
WHERE %(group_by)s = 'item' AND item_key IS NOT NULL GROUP BY item_key
