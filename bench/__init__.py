"""Measurements that stay outside the tests: what takes minutes, or judges instead of checks."""
