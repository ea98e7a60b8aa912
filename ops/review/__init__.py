"""The page on a reader's own machine: ``retraining review``.

``command`` starts it, ``server`` speaks HTTP and keeps strangers out with ``door`` and ``peers``, ``desk`` answers what is
asked, from what ``reading`` may read with the reader's own credentials, and ``pages`` writes it down. docs/decisions/0031 says
why it is built so.
"""
