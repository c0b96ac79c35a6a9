"""open_clip comes without the libraries that few models need, and gets them for a model that does."""

import subprocess
import sys

ASKED = """
import sys
from evaluation.models import lean
found = lean.open_clip()
spared = {"timm", "transformers", "torch._dynamo", "torch._dynamo.utils"}
assert not spared & set(sys.modules), spared & set(sys.modules)
assert lean.open_clip() is found is __import__("open_clip")
assert found.hf_model.transformers is None
lean.complete({"vision_cfg": {"timm_model_name": None}, "text_cfg": {}})
assert "transformers" not in sys.modules and "timm" not in sys.modules
lean.complete({"vision_cfg": {}, "text_cfg": {"hf_model_name": "roberta-base"}})
encoder = found.model.HFTextEncoder  # taken from its module before that was read anew
assert encoder.__init__.__globals__["transformers"].__name__ == "transformers"
assert "timm" not in sys.modules
"""


def test_open_clip_alone_until_a_model_needs_more() -> None:
    ran = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
