"""Who acts in tests that call what commands call."""

from runtime.audit.entries import Origin

TESTER = Origin("operator", "tester", "localhost without a terminal")
