"""Room 3: live recognition of Vietnamese with Vosk, in processes of its own.

Start at `client.py` (`Recognition`, `LegEar`); what runs on the other side of the socket is
`host.py` → `worker.py` → `lane.py` → `gate.py` and `vosk_engine.py`.
"""
