"""What clients send: orders in closed-model loads, and h2load that sends them."""
