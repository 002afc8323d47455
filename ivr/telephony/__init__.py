"""Room 1: the SIP agent. Worker processes own pjsua2; the pool speaks asyncio; identity is pure.

Only ``pj_*.py``, ``worker.py`` and ``caller.py`` import pjsua2, and they run in processes of
their own: an assertion inside the library ends four calls at most, never the service.
"""
