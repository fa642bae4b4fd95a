"""How a pipeline is measured: peaks end to end, fixed rates, single stages."""
