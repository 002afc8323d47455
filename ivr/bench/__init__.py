"""Measurements that span rooms."""
