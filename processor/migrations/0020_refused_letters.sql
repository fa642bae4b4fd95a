-- Events whose dead letter Kafka refuses for good are kept here with their bytes: letter_topic and what follows are null then.

ALTER TABLE parked_event
    ALTER COLUMN letter_topic DROP NOT NULL,
    ALTER COLUMN letter_partition DROP NOT NULL,
    ALTER COLUMN letter_offset DROP NOT NULL,
    ADD COLUMN event_key bytea,
    ADD COLUMN event_value bytea,
    ADD COLUMN event_headers text,
    ADD CONSTRAINT parked_event_is_somewhere CHECK ((letter_topic IS NULL) = (event_headers IS NOT NULL));

COMMENT ON COLUMN parked_event.event_headers IS 'JSON: a list of names and values, each in base64';
