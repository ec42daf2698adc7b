"""Reading `BUILD.py`: checking the subset, running it, recording what it declares."""
