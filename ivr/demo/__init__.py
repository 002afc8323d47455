"""The demonstration: `ivr serve` with a test caller and a mail host of its own."""
