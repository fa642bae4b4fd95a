"""OrderService and InventoryService, the orders database, the outbox and its publisher."""
