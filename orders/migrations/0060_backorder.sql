-- Tables, indexes and sequences are named by the terms of docs/glossary.md: backorder.
ALTER TABLE order_waiting RENAME TO backorder;
ALTER INDEX order_waiting_by_order RENAME TO backorder_by_order;
ALTER INDEX order_waiting_by_position RENAME TO backorder_by_position;
ALTER SEQUENCE waiting_position RENAME TO backorder_position;
-- release_from has replaced it.
ALTER TABLE product DROP COLUMN release_after;

-- The keys, and from PostgreSQL 18 on the NOT NULL constraints, which have names there.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT conname FROM pg_constraint WHERE conrelid = 'backorder'::regclass AND conname LIKE 'order_waiting%' LOOP
        EXECUTE format('ALTER TABLE backorder RENAME CONSTRAINT %I TO %I', name, replace(name, 'order_waiting', 'backorder'));
    END LOOP;
END $$;
