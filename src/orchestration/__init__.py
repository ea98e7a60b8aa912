"""The orchestration package: decides whether a drift signal becomes a retraining run, and keeps the evidence.

Rooms, each knowing only those below it::

    handler, promotion_handler, approval_handler, operator_handler, slack_handler
                 entry points of the six functions, page and terminal in approval_handler; composition, ports, settings
    actions/     what a function can be asked to do, a module each
    steps/       what actions share: telling, waiting, closing, the due list
    stores/      the services behind ports; the table split by what it holds
    domain/      values and rules, pure

No module reads the clock, the environment or the network except through what ``composition`` hands it.
"""
