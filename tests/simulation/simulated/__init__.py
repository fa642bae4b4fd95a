"""A simulated machine for the programs of the platform: clock, processes, PostgreSQL and Kafka, driven by one seed."""
