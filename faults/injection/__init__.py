"""How faults are made: signals, proxies, locks, small disks, moved clocks, bad records."""
