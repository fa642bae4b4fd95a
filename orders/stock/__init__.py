"""Stock of tracked products: who gets it, and the release of backorders."""
