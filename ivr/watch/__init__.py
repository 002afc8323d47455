"""Watching over the agent: alarms, metrics, capacity, its supervisor and its control socket."""
