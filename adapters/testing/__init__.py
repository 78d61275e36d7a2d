"""The old name of `nod.testing`, for one release."""

import warnings

from nod.testing import *  # noqa: F403

warnings.warn("adapters.testing is nod.testing now", DeprecationWarning, stacklevel=2)
