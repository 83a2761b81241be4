"""The router: page config, theme, navigation, nothing else. Run with `streamlit run app.py`."""

from pages.common import shell, theme

shell.configure()
theme.apply()
shell.navigation().run()
