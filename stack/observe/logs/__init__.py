"""The logs of `ordermesh up --logs`: OpenSearch as their store, and rsyslog, which ships the lines to it."""
