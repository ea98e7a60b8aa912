"""What all tests share: how their processes use the machine."""

from __future__ import annotations

import os

# Threads of a numeric library that have nothing to do sleep instead of spinning: several test workers share the cores,
# and a spinning thread takes the core that the others need. Read when the library is loaded, which is later than this.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
