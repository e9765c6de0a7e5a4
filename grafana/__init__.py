"""What ships for Grafana: dashboards made from tables of panels, and the provisioning that loads them."""
