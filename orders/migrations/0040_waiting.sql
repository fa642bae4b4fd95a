-- Orders that wait for stock are served in the order in which they came to wait, and hold stock only while what they lack
-- keeps arriving.
CREATE SEQUENCE waiting_position;
-- One position an order; and how often stock of the product had arrived before the order came to wait.
ALTER TABLE order_waiting ADD COLUMN position bigint, ADD COLUMN arrivals_before bigint NOT NULL DEFAULT 0;
UPDATE order_waiting w SET position = n.position
FROM (SELECT order_id, nextval('waiting_position') AS position
      FROM (SELECT DISTINCT order_id FROM order_waiting ORDER BY order_id) AS waiting) AS n
WHERE n.order_id = w.order_id;
ALTER TABLE order_waiting ALTER COLUMN position SET DEFAULT nextval('waiting_position'), ALTER COLUMN position SET NOT NULL;
CREATE INDEX order_waiting_by_position ON order_waiting (product_id, position);

ALTER TABLE product
    -- How often stock arrived, by a restock or a cancelled order, and when it last did.
    ADD COLUMN arrivals bigint NOT NULL DEFAULT 0,
    ADD COLUMN arrived_at timestamptz NOT NULL DEFAULT 'epoch',
    -- The position of the waiting order that units are held for, 0 for none; how many, and until when.
    ADD COLUMN holder bigint NOT NULL DEFAULT 0,
    ADD COLUMN held bigint NOT NULL DEFAULT 0,
    ADD COLUMN held_until timestamptz NOT NULL DEFAULT 'epoch',
    -- The position after which releasing has to go on; NULL when there is nothing to do. It takes the place of release_after.
    ADD COLUMN release_from bigint;
CREATE INDEX product_release_from ON product (product_id) WHERE release_from IS NOT NULL;
CREATE INDEX product_held ON product (held_until) WHERE holder <> 0;
DROP INDEX product_release;
-- What waited in the old way may be served now.
UPDATE product SET release_from = 0 WHERE awaited > 0;

DO $$
BEGIN
    IF to_regrole('orders_app') IS NOT NULL THEN
        GRANT USAGE ON SEQUENCE waiting_position TO orders_app;
    END IF;
END $$;
