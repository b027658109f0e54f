"""One file that holds all that a user of a trained system needs: how it is made, and what is in it."""

import os

# onnxruntime reports its use to its maker, and keeps a device number and a store in ~/.cache and TMPDIR for that, from
# the moment it is imported. This variable has to be there before. (On Windows, engine.py switches it off.)
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
