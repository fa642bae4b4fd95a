"""The transactional outbox: the publisher, its notifications, and the administration of DEAD events."""
