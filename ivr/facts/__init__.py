"""Facts: the frozen dataclasses that cross the doors between rooms. Imports nothing of ivr.

Offsets are integers on a leg's media clock (samples since the leg's first packet at
``rate_hz``); ``*_s`` fields are seconds on the same clock; ``*_at`` is UTC wall time.
"""
