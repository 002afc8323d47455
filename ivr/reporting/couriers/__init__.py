"""One file a way of handing a report over; each is a ``Courier`` of ``ivr.ports``."""
