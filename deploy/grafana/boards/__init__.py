"""The Grafana dashboards, as code; deploy/grafana/generate.py writes them as JSON."""
