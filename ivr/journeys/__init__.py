"""One call from the first INVITE to the seal; start reading at `answered`."""
