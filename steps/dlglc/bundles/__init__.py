"""One file that holds all that a user of a trained system needs: how it is made, and what is in it."""

from .. import networks as networks  # before anybody imports onnxruntime
