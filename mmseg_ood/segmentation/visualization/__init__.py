"""Pictures of anomaly maps."""
from .anomaly_local_visualizer import AnomalyLocalVisualizer
from .overlay import draw_overlay
from .palettes import choose_palette
from .panels import Components, Panel, draw_panels
from .score_scale import ScoreScale

__all__ = ['AnomalyLocalVisualizer', 'Components', 'Panel', 'ScoreScale', 'choose_palette', 'draw_overlay',
           'draw_panels']
