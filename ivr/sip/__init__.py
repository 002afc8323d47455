"""SIP messages and addresses as text, read leniently: below the rooms, for each that reads SIP."""
