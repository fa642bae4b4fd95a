"""Starts a cluster and stays until Ctrl-C: python -m node [NODES]."""

import contextlib
import signal
import sys

from node.cluster import started

signal.signal(signal.SIGTERM, signal.default_int_handler)
with contextlib.suppress(KeyboardInterrupt), started(int(sys.argv[1]) if len(sys.argv) > 1 else 1) as running:
    config = running.environment["KUBECONFIG"]
    print(f"nsenter --net=/proc/{running.outside.pid}/ns/net env KUBECONFIG={config} bash", flush=True)
    signal.pause()
