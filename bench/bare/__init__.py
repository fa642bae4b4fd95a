"""The yardstick: the same servers and engines with nothing but bytes in, rows, events and a sum."""
