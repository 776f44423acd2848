"""The daemon: a supervisor, and one worker process per stream."""
