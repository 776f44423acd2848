"""The demonstration: a broker, a stream with real defects, the real agent, and a subscriber, on one machine."""
