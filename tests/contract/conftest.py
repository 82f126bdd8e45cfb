"""Property tests here have no deadline per example: a busy machine is not a fault."""

import hypothesis

hypothesis.settings.register_profile("no-deadline", deadline=None)
hypothesis.settings.load_profile("no-deadline")
