"""The router: page config, theme, navigation, nothing else. Run with `streamlit run app.py`.

The server imports this file once, for `app`, and executes it for every visit, as `__main__`.
"""

import streamlit as st

from pages.common import shell, theme

if __name__ == "__main__":
    shell.configure()
    theme.apply()
    shell.navigation().run()
else:
    app = st.App(__file__, lifespan=shell.lifespan)
