"""Words and their colours, the same as on the status page.

A word that has a colour here has it in every panel; tests/checks/dashboards holds that.
"""

HEALTH = {"healthy": "#1a7f37", "warning": "#9a6700", "critical": "#cf222e", "unknown": "#57606a"}
STATE = {"pending": "#0969da", "retained": "#8250df"}
OUTCOME = {"succeeded": "#1a7f37", "no_op": "#57606a", "busy": "#9a6700", "failed": "#cf222e", "unverified": "#bc4c00"}
CAUSE = {"too_few_files": "#57606a", "idle": "#9a6700", "future_data": "#bc4c00", "stalled": "#cf222e"}

WORDS = {**HEALTH, **STATE, **OUTCOME, **CAUSE}

GOOD = HEALTH["healthy"]
WARNING = HEALTH["warning"]
BAD = HEALTH["critical"]
NEUTRAL = HEALTH["unknown"]
PENDING = STATE["pending"]
RETAINED = STATE["retained"]
