# The same fine-tuning without a regulariser: what the budget alone does. Pasted pixels are void.
_base_ = [
    '../_base_/models/cgnet_camvid.py',
    '../_base_/datasets/camvid_coco.py',
    '../_base_/schedules/finetune_300.py',
    '../_base_/default_runtime.py',
]
