"""The loop on a virtual clock: what a policy would have made of signals, by the decision and the transitions of the loop itself."""
