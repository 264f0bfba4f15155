"""What scikit-learn expects of an estimator beside its methods.

It is never imported unless it asks for the tags itself. Its exceptions and warnings are used if it
is loaded; otherwise no caller can refer to them.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from nnexp.errors import InputError


def tags() -> Any:
    """Return the `sklearn.utils.Tags` of a classifier of dense numbers that requires labels."""
    from sklearn.utils import ClassifierTags, Tags, TargetTags

    return Tags(
        estimator_type="classifier",
        target_tags=TargetTags(required=True),
        classifier_tags=ClassifierTags(),
        regressor_tags=None,
        transformer_tags=None,
    )


class NotFittedError(InputError, AttributeError):
    """Use of a model before `fit`; also scikit-learn's error of that name if that is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return not_fitted, self.args


def not_fitted(message: str) -> NotFittedError:
    """Return the error for a model that is not trained yet."""
    exceptions = sys.modules.get("sklearn.exceptions")
    return (_combined(exceptions.NotFittedError) if exceptions else NotFittedError)(message)


@functools.cache
def _combined(error: type[Exception]) -> type[NotFittedError]:
    return type("NotFittedError", (NotFittedError, error), {})


def conversion_warning() -> type[Warning]:
    """Return the category of the warning that labels were given as a column."""
    exceptions = sys.modules.get("sklearn.exceptions")
    category: type[Warning] = exceptions.DataConversionWarning if exceptions else UserWarning
    return category
