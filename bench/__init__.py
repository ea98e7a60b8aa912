"""What the loop costs in time and transitions: `python -m bench`."""
