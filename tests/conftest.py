"""mmseg must be imported after the plug-ins have prepared the stack for it."""
import mmseg_ood.segmentation  # noqa: F401
