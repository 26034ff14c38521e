"""Plug-ins for MMEngine: long-tailed and plain image classification. Planned; never imports mmseg."""
