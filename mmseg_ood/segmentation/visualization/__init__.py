"""Pictures of anomaly maps."""
from .panels import Panel, draw_panels

__all__ = ['Panel', 'draw_panels']
