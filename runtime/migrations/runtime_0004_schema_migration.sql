-- Programs wait until the schema is that of their version (runtime/postgres/schema.py).
DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY['orders_app', 'orders_publisher', 'analytics_worker', 'analytics_reader'] LOOP
        IF to_regrole(service) IS NOT NULL AND has_database_privilege(service, current_database(), 'CONNECT') THEN
            EXECUTE format('GRANT SELECT ON schema_migration TO %I', service);
        END IF;
    END LOOP;
END $$;
