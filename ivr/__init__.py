"""ivr: a call-screening agent for Vietnam."""
