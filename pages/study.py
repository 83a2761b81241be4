"""Study: sweeps of the user's own, and the coursework's: cost, progress, figures."""

import streamlit as st

from pages.common import shell
from pages.common.study import own

OWN, COURSEWORK = "A sweep of your own", "The coursework's study"

shell.page(
    "Study",
    "Train many runs and see what a setting is worth: say what varies, see what it will cost, "
    "start, and watch the charts fill. The coursework's own study is one of them.",
)
view = st.segmented_control(
    "What to look at",
    [OWN, COURSEWORK],
    default=OWN,
    required=True,
    key="study_view",
    label_visibility="collapsed",
    persist_state="session",
)
if view == OWN:
    own.show()
else:
    from pages.common.study import coursework

    coursework.show()
