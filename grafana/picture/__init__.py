"""Pictures of the dashboards, drawn with Grafana's UI library from a run of the demonstration."""
