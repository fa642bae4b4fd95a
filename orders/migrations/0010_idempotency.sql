-- The first answers to requests with a request_id, of every method that changes something but the storing of new orders.
-- Two calls with one id take turns by an advisory lock, so that nothing here has to be unique over partitions.
CREATE TABLE idempotency_request (
    method text COLLATE "C" NOT NULL,
    -- What the request_id belongs to: a product or an order.
    scope text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    -- The message that was answered; empty for restocks of before this table.
    response bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (method, scope, request_id)
);
CREATE INDEX idempotency_request_age ON idempotency_request USING brin (created_at);

INSERT INTO idempotency_request (method, scope, request_id, fingerprint, response, created_at)
SELECT 'RestockProduct', product_id, request_id, '\x00'::bytea || int8send(quantity), '', created_at FROM restock_request;
DROP TABLE restock_request;

DO $$
BEGIN
    IF to_regrole('orders_app') IS NOT NULL THEN
        GRANT SELECT, INSERT, DELETE ON idempotency_request TO orders_app;
    END IF;
END $$;
