"""What ships for Prometheus and Alertmanager: rules made from one table of alerts and one file of thresholds."""
