"""Ports to the services that keep state. The table is split by what it holds, the others are named after their service."""
