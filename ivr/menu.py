"""The voice menu of a subscriber who calls the own access number. It makes no case."""
