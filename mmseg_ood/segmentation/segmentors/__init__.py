"""Segmentors whose predictions hold an anomaly map."""
from .anomaly_encoder_decoder import AnomalyEncoderDecoder

__all__ = ['AnomalyEncoderDecoder']
