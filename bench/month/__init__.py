"""Thirty days of healthy series, simulated by the exporter's own code and judged by the shipped rules in Prometheus."""
