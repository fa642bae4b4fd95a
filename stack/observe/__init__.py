"""What `ordermesh up --observe` adds: Prometheus, Alertmanager and Zipkin, exporters, and one front before them."""
