"""Pictures of anomaly maps."""
from .panels import Components, Panel, draw_panels

__all__ = ['Components', 'Panel', 'draw_panels']
