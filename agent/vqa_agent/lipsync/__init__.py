"""Whether the sound is late, early or in sync with the mouths in the picture."""
