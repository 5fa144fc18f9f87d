"""Files of others, of which nothing is believed: what readers open, unpack and check them with."""
