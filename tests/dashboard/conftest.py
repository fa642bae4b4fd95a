"""These tests drive a real Chromium: they run where CHROMIUM names one (`make dashboard-test`)."""

import os

collect_ignore_glob = [] if os.environ.get("CHROMIUM") else ["test_*.py"]
