"""Reporting: a verdict becomes reports (pure), and couriers hand them over."""
