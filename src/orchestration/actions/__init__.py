"""What the functions can be asked to do, one module for each action.

Every action gathers, decides with a pure function, then applies; every apply can be repeated after a crash between any
two of its lines.
"""
