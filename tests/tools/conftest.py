"""The tools run in the world of the library calls behind them."""
import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location('toy_world', Path(__file__).parents[1] / 'apis' / 'conftest.py')
_apis = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_apis)

world = _apis.world
