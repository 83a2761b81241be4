"""What pages draw that Streamlit has no element for, each with its style sheet and script."""
