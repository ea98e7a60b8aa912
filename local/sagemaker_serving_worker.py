"""The model server of one endpoint configuration: the script-mode inference contract, over pipes.

Run as ``python sagemaker_serving_worker.py MODEL_DIR CODE_DIR PROGRAM``. Reads one JSON document a line from standard
input, ``{"body": base64, "content_type": str, "accept": str}``, and answers each with one line,
``{"body": base64, "content_type": str}`` or ``{"error": str}``. The first line it writes is ``{"ready": true}`` or
``{"error": str}``, once ``model_fn`` has run. Ends with its process group when its standard input does, whatever the script is
doing.

The script may define ``model_fn(model_dir)`` (it must), ``input_fn(body, content_type)``, ``predict_fn(data, model)``
and ``output_fn(prediction, accept)``; the defaults take CSV and JSON to a numpy array and answer in CSV or JSON.
"""

import base64
import importlib.util
import io
import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any


def _default_input(body: bytes, content_type: str) -> Any:
    import numpy as np  # noqa: PLC0415 - only a script that relies on the defaults needs it

    kind = content_type.partition(";")[0].strip()
    if kind == "text/csv":
        return np.atleast_2d(np.genfromtxt(io.StringIO(body.decode()), delimiter=","))
    if kind == "application/json":
        return np.array(json.loads(body))
    if kind == "application/x-npy":
        return np.load(io.BytesIO(body), allow_pickle=False)
    raise ValueError(f"Unsupported content type: {content_type}")


def _default_predict(data: Any, model: Any) -> Any:
    return model.predict(data)


def _default_output(prediction: Any, accept: str) -> tuple[bytes, str]:
    import numpy as np  # noqa: PLC0415 - only a script that relies on the defaults needs it

    values = np.asarray(prediction)
    if accept.partition(";")[0].strip() == "text/csv":
        out = io.StringIO()
        np.savetxt(out, np.atleast_2d(values) if values.ndim > 1 else values.reshape(-1, 1), delimiter=",", fmt="%s")
        return out.getvalue().encode(), "text/csv"
    return json.dumps(values.tolist()).encode(), "application/json"


def _load(code_dir: str, program: str) -> ModuleType:
    sys.path.insert(0, code_dir)
    spec = importlib.util.spec_from_file_location("inference", Path(code_dir) / program)
    if spec is None or spec.loader is None:
        raise ImportError(f"no script {program} in {code_dir}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["inference"] = module
    spec.loader.exec_module(module)
    return module


def _answer(module: ModuleType, model: Any, request: dict[str, str]) -> dict[str, str]:
    body = base64.b64decode(request["body"])
    content_type, accept = request["content_type"], request["accept"]
    # The serving containers hand text to input_fn for text types, bytes otherwise.
    text = content_type.startswith(("text/", "application/json"))
    if hasattr(module, "input_fn"):
        data = module.input_fn(body.decode() if text else body, content_type)
    else:
        data = _default_input(body, content_type)
    prediction = getattr(module, "predict_fn", _default_predict)(data, model)
    output = getattr(module, "output_fn", _default_output)(prediction, accept)
    payload, kind = output if isinstance(output, tuple) else (output, accept)
    if isinstance(payload, str):
        payload = payload.encode()
    return {"body": base64.b64encode(payload).decode(), "content_type": kind}


def _take(lines: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Load the model, then answer until the process is ended."""
    model_dir, code_dir, program = sys.argv[1:4]
    # The script may print: answers go to a copy of standard output, prints to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_take, args=(lines,), daemon=True).start()
    try:
        module = _load(code_dir, program)
        model = module.model_fn(model_dir)
    except Exception:  # noqa: BLE001 - whatever the user's script raises is the answer
        first = {"error": traceback.format_exc()}
        answers.write(json.dumps(first) + "\n")
        answers.flush()
        return
    answers.write('{"ready": true}\n')
    answers.flush()
    while True:
        try:
            answer = _answer(module, model, json.loads(lines.get()))
        except Exception as error:  # noqa: BLE001 - whatever the user's script raises is the answer
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
    # The thread that waits for a line must not hold up the end.
    os._exit(0)
