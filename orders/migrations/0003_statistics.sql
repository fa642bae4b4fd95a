-- Coarse statistics are enough: every query goes by a key or by time. While tables are young they are looked at every few
-- seconds, and a look at 30,000 orders with their lines takes half a second of a core.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET default_statistics_target = 10', current_database());
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'this role does not own the database: its statistics stay as fine as they are';
END $$;
