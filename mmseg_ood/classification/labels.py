"""What the label of an image may be beside its class."""

OOD_LABEL = -1
"""An outlier."""

NO_IGNORE_LABEL = -100
"""Void, which images never are; no class has this number, and torch uses it, too."""
