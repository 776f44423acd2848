"""Lip sync: from the pictures and the sound of a fragment to an offset, or to the reason why nobody can tell."""
