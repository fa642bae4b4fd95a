"""The fault suite: every fault of a table is injected under load, and an oracle of its own judges what is left."""
