-- name: name_role
-- Hand a role and its password to make_role, which as a block takes no parameters.
SELECT set_config('ordermesh.role', %(role)s, true), set_config('ordermesh.password', %(password)s, true);

-- name: make_role
-- Create the named role when it is missing and let it log in with the named password.
DO $$
DECLARE
    role text := current_setting('ordermesh.role');
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
        EXECUTE format('CREATE ROLE %I', role);
    END IF;
    EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', role, current_setting('ordermesh.password'));
END $$;

-- name: bound_role
-- Give the named role the time limits that services ask for: a pooler of transactions lets them ask for nothing.
DO $$
DECLARE
    role text := current_setting('ordermesh.role');
BEGIN
    EXECUTE format('ALTER ROLE %I SET statement_timeout = 10000', role);
    EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = 10000', role);
END $$;

-- name: list_databases
-- Name the databases that exist.
SELECT datname FROM pg_database;

-- name: create_orders
-- Make the database of the orders service.
CREATE DATABASE orders OWNER orders_owner;

-- name: create_analytics
-- Make the database of the processor.
CREATE DATABASE analytics OWNER analytics_owner;

-- name: close_orders
-- Let nobody into the orders database by default.
REVOKE ALL ON DATABASE orders FROM PUBLIC;

-- name: close_analytics
-- Let nobody into the analytics database by default.
REVOKE ALL ON DATABASE analytics FROM PUBLIC;

-- name: open_orders
-- Let the orders service's roles and people connect.
GRANT CONNECT ON DATABASE orders TO orders_app, orders_publisher, viewer;

-- name: open_analytics
-- Let the processor's roles and people connect.
GRANT CONNECT ON DATABASE analytics TO analytics_worker, analytics_reader, viewer;

-- name: let_viewer_read
-- Let people read all tables, and write nothing.
ALTER ROLE viewer SET default_transaction_read_only = on;
GRANT pg_read_all_data TO viewer;
