"""Both hooks in two processes: they stay in step, frozen parameters stay, counts are those of both."""
import os
import subprocess
import sys
from pathlib import Path

import torch

SCRIPT = """
import importlib.util, sys
from pathlib import Path
import torch
import mmseg_ood.segmentation

spec = importlib.util.spec_from_file_location('toy', sys.argv[1])
toy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toy)
toy.runner_module.collect_env = dict
torch.distributed.init_process_group('gloo')  # MMEngine would look for a GPU
rank = torch.distributed.get_rank()

runner = toy.build(
    Path(sys.argv[2]) / 'run', max_iters=4, launcher='pytorch', load_from=sys.argv[2] + '/start.pth',
    model_wrapper_cfg=dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False),
    custom_hooks=[dict(type='TrainOnlyHook', patterns=['decode_head.*']),
                  dict(type='OnlinePriorHook', momentum=0.25, update_interval=2)])
loss = runner.model.module.decode_head.loss_decode[1]
counts = []
loss.register_forward_hook(lambda module, args, output: counts.append(
    args[0].argmax(1)[args[1] == 254].bincount(minlength=3)))
runner.train()
torch.save(dict(state=runner.model.module.state_dict(), prior=loss.prior, counts=torch.stack(counts)),
           f'{sys.argv[2]}/rank_{rank}.pth')
"""


def test_two_processes(build_runner, tmp_path):
    start = build_runner('start').model
    torch.save(dict(state_dict=start.state_dict()), tmp_path / 'start.pth')
    (tmp_path / 'run.py').write_text(SCRIPT)
    toy = Path(__file__).with_name('conftest.py')
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[3]), 'OMP_NUM_THREADS': '1'}
    result = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node', '2', '--standalone', tmp_path / 'run.py',
         toy, tmp_path], capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    first, second = (torch.load(tmp_path / f'rank_{rank}.pth', weights_only=True) for rank in (0, 1))

    parameters = dict(start.named_parameters())
    for name, before in start.state_dict().items():
        trained = name.startswith('decode_head')
        assert torch.equal(before, first['state'][name]) == (not trained), name
        if name in parameters:  # not the running statistics, which each process has of its own frames
            assert torch.equal(first['state'][name], second['state'][name]), name
    assert not torch.equal(first['counts'], second['counts'])

    prior = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    for counts in (first['counts'] + second['counts']).double().split(2):
        prior = 0.75 * prior + 0.25 * counts.sum(0) / counts.sum()
    torch.testing.assert_close(first['prior'], prior, rtol=1e-12, atol=0)
    assert torch.equal(first['prior'], second['prior'])
