"""The gateway: pipeline status, reconciliation, watch streams, reflection, health and pages of the front proxy."""
