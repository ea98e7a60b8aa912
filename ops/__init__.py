"""Operator commands behind the make targets."""
