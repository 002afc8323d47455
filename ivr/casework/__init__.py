"""What is done with a sealed case: proved, exported, replayed, redacted."""
