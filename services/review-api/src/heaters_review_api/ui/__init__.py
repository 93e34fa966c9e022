"""The review page: plain HTML, CSS and modules, served as they are."""
