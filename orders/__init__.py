"""OrderService and InventoryService, their store, the outbox and the publisher."""
