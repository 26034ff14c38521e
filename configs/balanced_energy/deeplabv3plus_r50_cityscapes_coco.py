# Balanced energy on a stock network. Margins are energies of a network, and these are the paper's, of another one:
# tools/estimate_prior.py with this config and checkpoint proposes yours, and writes the prior.
_base_ = [
    '../_base_/models/deeplabv3plus_r50.py',
    '../_base_/datasets/cityscapes_coco.py',
    '../_base_/schedules/paper_20_epochs.py',
]
model = dict(
    decode_head=dict(loss_decode=[
        dict(type='InlierLoss', loss=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
        dict(type='BalancedEnergyLoss', prior='cityscapes-coco', m_in=-12.0, m_out=-6.0, alpha=5.0, loss_weight=0.1),
    ]))
load_from = 'data/weights/deeplabv3plus_r50-d8_cityscapes.pth'  # a Cityscapes checkpoint of MMSegmentation's model zoo
