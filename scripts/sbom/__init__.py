"""Software bills of materials (CycloneDX), made from the lock files alone: the same files give the same bytes."""
