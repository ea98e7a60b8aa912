"""The audit of everything the loop recorded: ``reading`` gathers, these judge.

``findings``   what can be wrong, and how bad it is
``records``    one record by itself: its form, its hash, where it has to lie
``chains``     a record among others: the links of a chain, the objects of the bucket
``facts``      a record beside what the table knows of its signal or run
``chain_walk`` and ``walk`` go over one chain, and over all; ``gathered`` is what they share
"""
