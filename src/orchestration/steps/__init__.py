"""What the actions share: parts of their work that read and write through the ports."""
