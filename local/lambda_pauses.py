"""Functions pause before the retries of their own calls as state machines do: by the server's ``SFN_WAIT_SCALE``.

botocore waits up to 1, 2 and 4 seconds before it asks again. Where a state machine skips its pauses, a story about a
call that fails four times would spend them there.
"""

from __future__ import annotations

from local import lambda_worker

_SHORTENED = """
def _shorten_retry_pauses():
    try:
        from botocore.retries.standard import ExponentialBackoff
    except ImportError:
        return
    pause = ExponentialBackoff.delay_amount
    scale = float(os.environ.get("SFN_WAIT_SCALE", "1"))
    ExponentialBackoff.delay_amount = lambda self, context: scale * pause(self, context)

"""
_INSTRUMENTED = "    _ms_install_invoke_depth()\n"

lambda_worker.replace(lambda_worker.HEAD, lambda_worker.HEAD + _SHORTENED)
lambda_worker.replace(_INSTRUMENTED, _INSTRUMENTED + "    _shorten_retry_pauses()\n")
