"""The kinds of tests that a claim can have, by the word of the study's file.

A new kind is a class as `nnexp.studies.study.ClaimTest` describes, in a file of its own, and a line
here.
"""

from __future__ import annotations

from nnexp.studies.kinds.comparison import ORDERS, Comparison
from nnexp.studies.kinds.computed import Computed
from nnexp.studies.kinds.curve import Curve
from nnexp.studies.kinds.exponent import Exponent
from nnexp.studies.kinds.law import Law
from nnexp.studies.kinds.published import Published
from nnexp.studies.kinds.reachable import Reachable
from nnexp.studies.kinds.share import Share
from nnexp.studies.kinds.spread import Spread
from nnexp.studies.study import ClaimTest

KINDS: dict[str, type[ClaimTest]] = {
    **dict.fromkeys(ORDERS, Comparison),
    "share": Share,
    "exponent": Exponent,
    "law": Law,
    "spread": Spread,
    "published": Published,
    "curve": Curve,
    "reachable": Reachable,
    "computed": Computed,
}
