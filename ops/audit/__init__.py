"""The audit of everything the loop recorded: ``reading`` gathers, the other modules judge, ``walk`` goes from one to the next.

``findings``   what can be wrong, and how bad it is
``records``    one record by itself: its form, its hash, where it has to lie
``chains``     a record among others: the links of a chain, the objects of the bucket
``facts``      a record beside what the table knows of its signal or run, and beside what AWS knows
"""
