"""6 Evidence: the case folder, its seal, custody after the seal, and the independent verifier.

``verifier.py`` stands alone on purpose: it shares no code with the rest of this room.
"""
