-- Records of dead letters are deleted some time after they were sent again; those that were not are kept.
DROP INDEX parked_event_age;
CREATE INDEX parked_event_redriven ON parked_event (redriven_at) WHERE redriven_at IS NOT NULL;
