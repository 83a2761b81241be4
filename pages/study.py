"""Study: sweeps of the user's own, and the coursework's: cost, progress, figures."""

from pages.common import shell
from pages.common.choosing import switch
from pages.common.study import own

OWN, COURSEWORK = "A sweep of your own", "The coursework's study"

shell.page(
    "Study",
    "Train many runs and see what a setting is worth: say what varies, see what it will cost, "
    "start, and watch the charts fill. The coursework's own study is one of them.",
)
views = OWN, COURSEWORK
if switch("What to look at", views, key="study_view", label_visibility="collapsed") == OWN:
    own.show()
else:
    from pages.common.study import coursework

    coursework.show()
