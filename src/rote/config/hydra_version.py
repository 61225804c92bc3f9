"""Fit calls to the installed Hydra: 1.3 needs a ``version_base``, 1.4 warns of one.

Hydra 1.4 also warns where `instantiate` may call anything. `rote.config.trust` has decided that
before, by rules that Hydra's own list cannot express: it holds names, among them those of all
classes of callable results, which nobody knows of a function that makes a model.
"""

from typing import Any

import hydra.utils

_UNCHECKED = getattr(hydra.utils, "UNSAFE_DISABLE_EXECUTION_CHECKS", None)  # Hydra 1.4 has it
IS_1_3 = _UNCHECKED is None
VERSION_BASE: dict[str, Any] = {"version_base": "1.3"} if IS_1_3 else {}
ALLOWED_BEFORE: dict[str, Any] = {} if IS_1_3 else {"_execution_whitelist_": _UNCHECKED}
