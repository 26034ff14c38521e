"""Packaging of mmseg-ood.

``pip install -e .`` installs what both OpenMMLab distributions share and leaves an
existing mmseg / mmengine / mmcv alone; the extras install one of the two families.
"""
import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r"__version__ = '(.+)'", (ROOT / 'mmseg_ood' / 'version.py').read_text()).group(1)

setup(
    name='mmseg-ood',
    version=VERSION,
    description='Out-of-distribution detection for any MMSegmentation network: '
                'balanced energy regularisation, outlier pasting, anomaly metrics and maps.',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['mmseg_ood', 'mmseg_ood.*']),
    package_data={'mmseg_ood.report': ['templates/*']},
    python_requires='>=3.10,<3.13',
    install_requires=[
        'torch>=2.0',
        'numpy',
        'opencv-python',
        'scikit-learn',
        'matplotlib',
        'pycocotools>=2.0.7',
        'h5py',
        'filelock',
        'jinja2',
        'scipy',
        'prettytable',
        'rich',
    ],
    extras_require={
        # setuptools < 82: mmengine resolves `mmseg::` configs through pkg_resources.
        # ftfy and regex: imported by mmseg.models, absent from its requirements.
        'openmmlab': [
            'mmengine==0.10.7', 'mmcv-lite==2.1.0', 'mmsegmentation==1.2.2',
            'setuptools<82', 'ftfy', 'regex',
        ],
        'onedl': ['onedl-mmengine==0.10.12', 'onedl-mmcv==2.3.6', 'onedl-mmsegmentation==1.4.2'],
        # The browser tests also need a Chromium, such as Debian's package of that name.
        'dev': ['pytest', 'pytest-xdist', 'ruff', 'playwright', 'axe-playwright-python'],
    },
)
