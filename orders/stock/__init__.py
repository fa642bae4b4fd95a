"""Stock of tracked products: allocation, backorders and their release."""
