-- The W3C baggage of a request whose trace is sampled, for the header of its events.
ALTER TABLE event_outbox ADD COLUMN baggage text CONSTRAINT event_outbox_baggage_size CHECK (octet_length(baggage) <= 1024);
