"""A classifier of small images for MMEngine's runner."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import Tensor, nn

from mmseg_ood.core.losses import check_labels

from ..labels import OOD_LABEL
from .state_dict import load_classifier


@MODELS.register_module()
class ImageClassifier(BaseModel):
    """A backbone, a linear head, and losses that know outliers.

    ::

        model = dict(
            type='ImageClassifier', num_classes=10, pretrained='work_dirs/before/epoch_100.pth',
            backbone=dict(type='CIFARResNet', depth=18),
            data_preprocessor=dict(type='ClassificationDataPreprocessor', mean=[0.49, 0.48, 0.45],
                                   std=[0.25, 0.24, 0.26]),
            losses=[
                dict(type='InlierCrossEntropyLoss'),
                dict(type='BalancedEnergyLoss', prior='cifar10-300k', m_in=-23.0, m_out=-5.0, alpha=10.0,
                     gamma_margin=0.05, gamma_weight=0.05),
            ])

    Args:
        backbone: Config of a network that turns images ``(N, 3, H, W)`` into ``num_features`` features ``(N, F)``.
        num_classes: Number of inlier classes C.
        losses: Config of a loss or several, see :mod:`mmseg_ood.classification.losses`. Their names are those of
            MMEngine's registry; a loss of another one has that before its name, ``'scope.Name'``.
        data_preprocessor: Config, see :class:`ClassificationDataPreprocessor`.
        pretrained: Weights to begin a training with, see :func:`classifier_state_dict`. They are loaded by
            :meth:`init_weights`, which a training calls and an evaluation, which has a checkpoint, does not.
        init_cfg: Config of the initialisation, beside that of the backbone.

    Raises:
        ValueError: No loss, or two of one name; fewer than two classes.

    Example:
        >>> import torch
        >>> model = ImageClassifier(dict(type='CIFARResNet', depth=20), num_classes=10,
        ...                         losses=dict(type='InlierCrossEntropyLoss'))
        >>> images, labels = torch.zeros(3, 3, 32, 32), torch.tensor([0, 9, -1])
        >>> model(images).shape, sorted(model(images, labels, mode='loss'))
        (torch.Size([3, 10]), ['accuracy', 'loss_ce'])
        >>> [prediction['label'] for prediction in model(images, labels, mode='predict')]
        [0, 9, -1]
    """

    def __init__(self, backbone: dict, num_classes: int, losses: dict | Sequence[dict],
                 data_preprocessor: dict | None = None, pretrained: str | Path | None = None,
                 init_cfg: dict | list[dict] | None = None) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if num_classes < 2:
            raise ValueError(f'ImageClassifier: num_classes must be at least 2, found {num_classes}')
        self.backbone = MODELS.build(backbone)
        self.fc = nn.Linear(self.backbone.num_features, num_classes)
        # Segmentation has losses of the same names: in a process of both wings these are meant, whatever the scope.
        self.losses = nn.ModuleList(MODELS.build({'_scope_': 'mmengine', **loss})
                                    for loss in ([losses] if isinstance(losses, dict) else losses))
        names = [loss.loss_name for loss in self.losses]
        if not names or len(set(names)) < len(names):
            raise ValueError(f'ImageClassifier: expected one or several losses of different loss_name, found {names}')
        self.num_classes = num_classes
        self.pretrained = pretrained

    def init_weights(self) -> None:
        """Initialise, then load the weights of ``pretrained``; a second call changes nothing.

        Raises:
            FileNotFoundError: ``pretrained`` does not exist.
            ValueError: It does not fit, see :func:`load_classifier`.
        """
        is_first = not self.is_init
        super().init_weights()
        if is_first and self.pretrained is not None:
            load_classifier(self, self.pretrained)
            print_log(f'ImageClassifier: loaded {self.pretrained} over this initialisation', logger='current')

    def forward(self, inputs: Tensor, labels: Tensor | None = None, sources: Tensor | None = None,
                mode: str = 'tensor') -> Tensor | dict[str, Tensor] | list[dict[str, Any]]:
        """What MMEngine's runner calls.

        Args:
            inputs: Normalised images ``(N, 3, H, W)``.
            labels: ``(N,)`` integers: ``0..C-1`` inlier, -1 outlier. Needed for ``loss``.
            sources: ``(N,)`` integers, which set an image is of: 0 the inlier test set, 1 the first OOD set and so on.
            mode: What to return.

        Returns:
            ``tensor``: logits ``(N, C)``. ``loss``: the losses by name and ``accuracy``, that of the inliers in
            percent, NaN without inliers. ``predict``: a dict an image: ``logits`` ``(C,)`` float32 on the CPU and,
            where they were given, the integers ``label`` and ``source``.

        Raises:
            ValueError: An unknown mode, labels that are missing or not legal, or see the losses.
        """
        if mode not in ('tensor', 'loss', 'predict'):
            raise ValueError(f'mode must be tensor, loss or predict, found {mode!r}')
        logits = self.fc(self.backbone(inputs))
        if mode == 'tensor':
            return logits
        return self._losses(logits, labels) if mode == 'loss' else _predictions(logits, labels, sources)

    def _losses(self, logits: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        if labels is None:
            raise ValueError('mode loss needs labels')
        check_labels(logits, labels, OOD_LABEL, ignore_index=OOD_LABEL)  # images are never void
        values = {loss.loss_name: loss(logits, labels) for loss in self.losses}
        correct = logits.detach().argmax(1) == labels
        return {**values, 'accuracy': 100 * correct.sum() / (labels != OOD_LABEL).sum()}


def _predictions(logits: Tensor, labels: Tensor | None, sources: Tensor | None) -> list[dict[str, Any]]:
    # The whole batch at once: a copy from the device for each image would cost more than the network.
    columns: dict[str, Sequence[Any]] = {'logits': logits.detach().float().cpu().unbind()}
    for name, values in (('label', labels), ('source', sources)):
        if values is not None:
            columns[name] = values.tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
