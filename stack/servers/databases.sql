-- name: set_role_parameters
-- Pass a role and its password to create_role: a DO block takes no parameters.
SELECT set_config('ordermesh.role', %(role)s, true), set_config('ordermesh.password', %(password)s, true);

-- name: create_role
-- Create the role when it is missing, and set its password.
DO $$
DECLARE
    role text := current_setting('ordermesh.role');
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
        EXECUTE format('CREATE ROLE %I', role);
    END IF;
    EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', role, current_setting('ordermesh.password'));
END $$;

-- name: limit_role
-- Set the timeouts of the role: through a transaction pooler, services cannot set them.
DO $$
DECLARE
    role text := current_setting('ordermesh.role');
BEGIN
    EXECUTE format('ALTER ROLE %I SET statement_timeout = 10000', role);
    EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = 10000', role);
END $$;

-- name: let_monitor
-- Let a role of an exporter read the figures of the server, and no table of ours.
GRANT pg_monitor TO monitor;
GRANT CONNECT ON DATABASE orders TO monitor;
ALTER ROLE monitor SET default_transaction_read_only = on;
ALTER ROLE monitor SET statement_timeout = 5000;
ALTER ROLE monitor CONNECTION LIMIT 4;

-- name: list_databases
-- List the existing databases.
SELECT datname FROM pg_database;

-- name: create_orders
-- Create the database of the orders service.
CREATE DATABASE orders OWNER orders_owner;

-- name: create_analytics
-- Create the database of the processor.
CREATE DATABASE analytics OWNER analytics_owner;

-- name: revoke_orders
-- Deny access to the orders database by default.
REVOKE ALL ON DATABASE orders FROM PUBLIC;

-- name: revoke_analytics
-- Deny access to the analytics database by default.
REVOKE ALL ON DATABASE analytics FROM PUBLIC;

-- name: close_other_databases
-- Deny access to the databases that every server has, where every role could connect and make temporary tables.
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;

-- name: deny_large_objects
-- Deny large objects, which every role of a database could make without a limit.
DO $$
DECLARE
    function regprocedure;
BEGIN
    FOR function IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^lo(_.*|read|write)$'
            AND has_function_privilege('public', oid, 'EXECUTE')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
    END LOOP;
END $$;

-- name: grant_orders
-- Let the roles of the orders service and the viewer connect.
GRANT CONNECT ON DATABASE orders TO orders_app, orders_publisher, viewer;

-- name: grant_analytics
-- Let the roles of the processor and the viewer connect.
GRANT CONNECT ON DATABASE analytics TO analytics_worker, analytics_reader, viewer;

-- name: limit_viewer
-- Let the viewer write nothing. pg_read_all_data, which it had, also shows the password verifiers of all roles.
ALTER ROLE viewer SET default_transaction_read_only = on;
REVOKE pg_read_all_data FROM viewer;

-- name: grant_orders_to_viewer
-- Let the viewer read the tables of the orders database, and those that migrations will create.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO viewer;
ALTER DEFAULT PRIVILEGES FOR ROLE orders_owner IN SCHEMA public GRANT SELECT ON TABLES TO viewer;

-- name: grant_analytics_to_viewer
-- Let the viewer read the tables of the analytics database, and those that migrations will create.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO viewer;
ALTER DEFAULT PRIVILEGES FOR ROLE analytics_owner IN SCHEMA public GRANT SELECT ON TABLES TO viewer;
