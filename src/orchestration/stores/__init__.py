"""Ports to the services that keep state, each module named after the port and the service behind it."""
