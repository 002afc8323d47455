"""From hits to a verdict with reasons; pure."""
