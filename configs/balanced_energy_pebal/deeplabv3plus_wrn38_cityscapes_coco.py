# PEBAL with balanced energy: the segmentation method of the paper.
_base_ = ['../pebal/deeplabv3plus_wrn38_cityscapes_coco.py']
model = dict(
    decode_head=dict(
        loss_decode=[
            dict(type='AbstentionLoss'),
            dict(
                type='BalancedEnergyLoss',
                num_classes=19,
                prior='cityscapes-coco',
                m_in=-12.0,
                m_out=-6.0,
                alpha=5.0,
                gamma_margin=3.0,
                gamma_weight=3.0,
                smoothness_weight=3e-6,
                sparsity_weight=5e-4,
                loss_weight=0.1,
            ),
        ]))
